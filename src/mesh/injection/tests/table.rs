//! Who injects whom, by labels.

use super::*;

#[test]
fn the_truth_table_of_a_default_and_a_canary() {
    for version in ["1.10.0", "1.28.2", "1.29.1"] {
        let version = v(version);
        let configs = ["default", "canary"].map(|r| Shape::revision(&version, r).configuration());
        assert_table(&mesh(&configs), &TABLE, "default", "canary");
    }
}

#[test]
fn with_every_namespace_enabled_only_the_empty_cell_changes() {
    let version = v("1.29.1");
    let default = Shape {
        every_namespace: true,
        ..Shape::revision(&version, "default")
    };
    let configs = [
        default.configuration(),
        Shape::revision(&version, "canary").configuration(),
    ];
    let mut table = TABLE;
    table[0].1[0] = "default";
    assert_table(&mesh(&configs), &table, "default", "canary");
    for system in IGNORED_NAMESPACES {
        let verdict = mesh(&configs);
        assert_eq!(
            gives(&verdict, &Namespace::new(system, Labels::new()), &pod(&[])),
            None
        );
    }
}

#[test]
fn the_truth_table_of_tags() {
    // Two revisions with two tags: `default` → 1-28-2, `canary` → 1-29-1. The tags behave as revisions did above.
    let (old, new) = (v("1.28.2"), v("1.29.1"));
    let configs = [
        Shape::revision(&old, "1-28-2").configuration(),
        Shape::revision(&new, "1-29-1").configuration(),
        Shape::tag(&old, "default", "1-28-2").configuration(),
        Shape::tag(&new, "canary", "1-29-1").configuration(),
    ];
    assert_table(&mesh(&configs), &TABLE, "1-28-2", "1-29-1");
    let targets = mesh(&configs).targets();
    let resolved = ["1-28-2", "1-29-1", "default", "canary", "prod"]
        .map(|n| targets.resolve(n).map(str::to_owned));
    assert_eq!(
        resolved.map(Option::unwrap_or_default),
        ["1-28-2", "1-29-1", "1-28-2", "1-29-1", ""]
    );
    assert_eq!(
        targets.names_of("1-29-1").collect::<Vec<_>>(),
        ["1-29-1", "canary"]
    );
    assert_eq!(
        targets.tags().collect::<Vec<_>>(),
        [("canary", "1-29-1"), ("default", "1-28-2")]
    );
}

#[test]
fn a_real_default_tag_hides_the_deactivated_plain_injector() {
    // 1.28.2 installed with the tag `default`, and a 1.29.1 canary beside it.
    let mesh = mesh(&modern_fixture());
    assert_eq!(mesh.injectors.len(), 10, "validators are no injectors");
    let plain: Vec<&Injector> = mesh
        .injectors
        .iter()
        .filter(|i| i.config == "istio-sidecar-injector")
        .collect();
    assert_eq!(plain.len(), 4);
    assert!(plain.iter().all(|i| i.never_matches()));
    assert_eq!(
        mesh.injectors.iter().filter(|i| i.never_matches()).count(),
        4
    );
    assert_table(&mesh, &TABLE, "default", "canary");
    assert_eq!(
        mesh.targets().resolve("default"),
        Some("default"),
        "by its tag"
    );
}

#[test]
fn the_trap_of_an_install_that_takes_the_default_tag() {
    // 1.28.2 by Helm, then `istioctl install --set revision=canary` of 1.29.1 (istioctl makes the tag `default`).
    let (old, new) = (v("1.28.2"), v("1.29.1"));
    let mut plain = Shape::revision(&old, "default").configuration();
    let before = mesh(&[
        plain.clone(),
        Shape::revision(&new, "canary").configuration(),
    ]);
    deactivate(&mut plain);
    let after = mesh(&[
        plain.clone(),
        Shape::revision(&new, "canary").configuration(),
        Shape::tag(&new, "default", "canary").configuration(),
    ]);
    let untouched = namespace(&[ENABLED]);
    assert_eq!(
        gives(&before, &untouched, &pod(&[])).as_deref(),
        Some("default")
    );
    assert_eq!(
        gives(&after, &untouched, &pod(&[])).as_deref(),
        Some("canary")
    );
    assert_eq!(after.targets().resolve("default"), Some("canary"));
    assert!(
        after.targets().revisions().any(|r| r == "default"),
        "the old control plane is still there"
    );

    // Then `istioctl uninstall --revision canary` removes the tag with it.
    let left = mesh(&[plain]);
    assert_eq!(
        left.verdict(&untouched, &pod(&[])),
        Verdict::NotInjected(Reason::NoDefaultInjector)
    );
    assert_eq!(left.targets().resolve("default"), None);
}

#[test]
fn a_default_tag_beside_an_active_plain_injector_injects_twice() {
    let version = v("1.29.1");
    let configs = [
        Shape::revision(&version, "default").configuration(),
        Shape::revision(&version, "1-29-1").configuration(),
        Shape::tag(&version, "default", "1-29-1").configuration(),
    ];
    let mesh = mesh(&configs);
    let namespace = namespace(&[ENABLED]);
    let verdict = mesh.verdict(&namespace, &pod(&[]));
    assert!(
        matches!(&verdict, Verdict::Ambiguous(all) if all.len() == 2),
        "{verdict:?}"
    );
    assert_eq!(
        verdict.to_string(),
        "2 injectors match: istio-sidecar-injector, istio-revision-tag-default"
    );
    assert_eq!(verdict.revision(), None);
    let effect = mesh.effect(&namespace, &pod(&[]), &pod(&[]));
    assert!(!effect.changes(None), "a restart would do harm");
}

#[test]
fn the_original_case_1_5_and_1_6() {
    let real = mesh(&old_fixture());
    let (old, new) = (v("1.5.10"), v("1.6.14"));
    let made = mesh(&[
        Shape::revision(&old, "default").configuration(),
        Shape::revision(&new, "canary").configuration(),
    ]);
    for mesh in [&real, &made] {
        assert_eq!(mesh.injectors.len(), 2);
        let row = |labels: &[(&str, &str)]| gives(mesh, &namespace(labels), &pod(&[]));
        assert_eq!(row(&[ENABLED]).as_deref(), Some("default"));
        assert_eq!(
            row(&[ENABLED, REV]).as_deref(),
            Some("default"),
            "istio-injection takes precedence"
        );
        assert_eq!(row(&[REV]).as_deref(), Some("canary"));
        assert_eq!(row(&[]), None);
        assert_eq!(row(&[DISABLED, REV]), None);
        // Pod labels count for nothing yet.
        assert_eq!(gives(mesh, &namespace(&[]), &pod(&[REV])), None);
        assert_eq!(
            gives(mesh, &namespace(&[REV]), &pod(&[NO])).as_deref(),
            Some("canary")
        );
        assert_eq!(
            mesh.injectors[0].revision, None,
            "1.5 labels nothing; the Service tells"
        );
        assert_eq!(mesh.injectors[0].control_plane(), "default");
        assert_eq!(mesh.targets().resolve("canary"), Some("canary"));
    }
}
