//! What can never work is found by the check, at its value.

use super::*;

/// A folder with one plan, one file beside it, and a link that leads out of it.
struct Folder<'a>(&'a str);

impl ReadFile for Folder<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("plan.yaml") => Ok(self.0.as_bytes().to_vec()),
            Some("there.yaml" | "link.yaml") => Ok(Vec::new()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        match path.ends_with("link.yaml") {
            true => Ok(PathBuf::from("/elsewhere/there.yaml")),
            false => Ok(Path::new("/plans").join(path)),
        }
    }
}

/// The places and codes that are told of an install with these parameters.
fn installed(with: &str) -> Vec<String> {
    let text = format!(
        "version: 1\nname: x\ninputs:\n  rev: {{ type: revision }}\nsteps:\n  a:\n    uses: install-revision\n    with: {{ revision: \"${{{{ inputs.rev }}}}\", version: 1.29.1, {with} }}\n"
    );
    let folder = Folder(&text);
    let loaded = check::load(
        Path::new("plan.yaml"),
        &folder,
        &Given::default(),
        Purpose::Validate,
    );
    let outcome = loaded.check(None, &BTreeMap::new(), &Slice::default());
    told::places(&text, &outcome)
}

#[test]
fn files_are_below_the_directory_of_the_plan() {
    for (with, expected) in [
        ("values: [there.yaml, ./there.yaml]", vec![]),
        ("values: [/etc/hostname]", vec!["/etc P0602"]),
        (
            "source: manifests, files: [there.yaml, ../../m.yaml]",
            vec!["../. P0602"],
        ),
        ("values: [sub/../link.yaml]", vec!["sub/ P0602"]),
        ("values: [gone.yaml]", vec!["gone P0610"]),
    ] {
        assert_eq!(installed(with), expected, "{with}");
    }
}
