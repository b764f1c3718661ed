//! What is sensitive is seen nowhere.

use super::*;

const INPUTS: &str = "m: {pw: hunter2}\nl: [listed, 4711]\ns: \"plain\\ntext\"\nflag: true\n";

fn outcome(steps: &str) -> Checkup {
    let text = format!(
        "version: 1\nname: secrets\ninputs:\n  m: {{ type: map, sensitive: true }}\n  l: {{ type: list, sensitive: true }}\n  s: {{ type: string, sensitive: true }}\n  flag: {{ type: bool, sensitive: true }}\nsteps:\n{steps}"
    );
    let given = Given {
        files: vec![("in.yaml".to_owned(), INPUTS.into())],
        ..Given::default()
    };
    let file = Text(&text);
    let loaded = check::load(Path::new("plan.yaml"), &file, &given, Purpose::Run);
    loaded.check(None, &BTreeMap::new(), &Slice::default())
}

fn gate(message: &str) -> String {
    format!(
        "  a: {{ uses: gate, timeout: 1h, with: {{ approval: {{ message: {message:?} }} }} }}\n"
    )
}

#[test]
fn its_parts_and_what_is_made_of_it_are_masked() {
    let message = "${{ inputs.m.pw }} ${{ inputs.l | first }} ${{ inputs.l[1] }} ${{ inputs.s | upper }} ${{ 'prod' if inputs.s else 'dev' }}";
    let outcome = outcome(&gate(message));
    let plan = outcome.checked.as_ref().expect("valid");
    let rendered = check::render(plan);
    assert!(
        rendered.contains("message: '*** *** *** *** prod'"),
        "{rendered}"
    );
    for secret in ["hunter2", "listed", "4711", "plain", "PLAIN", "text:"] {
        assert!(!rendered.contains(secret), "{secret}: {rendered}");
    }
}

#[test]
fn what_is_told_of_it_shows_nothing() {
    let steps = "  a: { uses: wait-ready, with: { revision: \"${{ inputs.m.pw | upper }}\", version: \"${{ inputs.l | first }}\" } }\n";
    let outcome = outcome(steps);
    let told = said(&outcome);
    assert!(told.contains("***"), "{told}");
    for secret in ["hunter2", "HUNTER2", "listed"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn it_names_no_node() {
    for list in [
        "\"${{ inputs.l }}\"",
        "[\"x-${{ inputs.m.pw }}\"]",
        "[{name: \"${{ inputs.m.pw | upper }}\"}]",
    ] {
        let steps =
            format!("  g: {{ for_each: {list}, as: x, uses: gate, with: {{ soak: 1s }} }}\n");
        let told = said(&outcome(&steps));
        assert!(
            told.contains("error[P0214]: a secret cannot be the name of an item"),
            "{told}"
        );
    }
    let steps = "  g: { for_each: [{name: x, pw: \"${{ inputs.m.pw }}\"}], as: x, uses: gate, timeout: 1h, with: { approval: { message: \"${{ x.pw | upper }}\" } } }\n";
    let outcome = outcome(steps);
    let rendered = check::render(outcome.checked.as_ref().expect("valid"));
    assert!(rendered.contains("message: '***'"), "{rendered}");
}
