//! Lists and searches with conditions and an order.

use serde_json::{Value, json};

use crate::support::Workplace;

fn texts<'a>(records: &'a Value, field: &str) -> Vec<&'a str> {
    let records = records.as_array().unwrap();
    records.iter().map(|r| r[field].as_str().unwrap()).collect()
}

fn keys(workplace: &Workplace, arguments: &[&str]) -> Vec<String> {
    let found = workplace.json(&[&["artifact", "list"], arguments].concat());
    texts(&found, "key")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn conditions_and_orders() {
    let workplace = Workplace::new();
    let added = workplace.add_files();
    workplace.ok(&["collection", "create", "blood", &added[0], &added[1]]);
    let list = |arguments: &[&str]| keys(&workplace, arguments);
    assert_eq!(list(&["--filter", "suffix=.h5ad"]), ["c.h5ad", "a.h5ad"]);
    let both = ["-f", "suffix=.h5ad", "-f", "key__startswith=a"];
    assert_eq!(list(&both), ["a.h5ad"]);
    let either = ["--any", "key=b.zarr", "--any", "key__startswith=c"];
    assert_eq!(list(&either), ["c.h5ad", "b.zarr"]);
    assert_eq!(list(&["--exclude", "suffix__in=.h5ad,.csv"]), ["b.zarr"]);
    assert_eq!(list(&["--filter", "size__lt=1"]), [""; 0]);
    assert_eq!(list(&["--filter", "created_at__gt=2020-01-01"]).len(), 3);
    let ordered = ["--order-by", "suffix", "--order-by", "-key"];
    assert_eq!(list(&ordered), ["c.h5ad", "a.h5ad", "b.zarr"]);
    let page = ["--order-by", "key", "--limit", "1", "--offset", "1"];
    assert_eq!(list(&page), ["b.zarr"]);

    // Across relations, by name or uid.
    let held = list(&["--filter", "collections=blood", "--order-by", "key"]);
    assert_eq!(held, ["a.h5ad", "b.zarr"]);
    let uid = workplace.json(&["collection", "show", "blood"])["uid"].take();
    let by_uid = format!("collections={}", &uid.as_str().unwrap()[..12]);
    assert_eq!(list(&["--filter", &by_uid]).len(), 2);
    assert_eq!(
        list(&["--exclude", "collections__isnull=false"]),
        ["c.h5ad"]
    );
    let holding = [
        "collection",
        "list",
        "--filter",
        "artifacts__key__startswith=b.",
    ];
    assert_eq!(texts(&workplace.json(&holding), "name"), ["blood"]);
    assert_eq!(list(&["--filter", "created_by=ada"]).len(), 3);

    let count = ["artifact", "list", "--count", "--filter", "suffix=.h5ad"];
    assert_eq!(workplace.json(&count), json!({"count": 2}));
    assert_eq!(workplace.ok(&count), "2\n");
    let search = ["artifact", "search", "h5ad", "--exclude", "key=c.h5ad"];
    assert_eq!(texts(&workplace.json(&search), "key"), ["a.h5ad"]);

    // The trash is asked for, by itself or as a condition.
    workplace.ok(&["artifact", "delete", "c.h5ad"]);
    assert_eq!(list(&[]), ["b.zarr", "a.h5ad"]);
    assert_eq!(list(&["--trash"]), ["c.h5ad"]);
    assert_eq!(list(&["--filter", "visibility=trash"]), ["c.h5ad"]);
    assert_eq!(list(&["--hidden"]), ["b.zarr", "a.h5ad"]);
}

#[test]
fn records_of_any_kind() {
    let workplace = Workplace::new();
    workplace.add_files();
    let users = workplace.json(&["list", "user"]);
    assert_eq!(texts(&users, "handle"), ["ada"]);
    let table = workplace.ok(&["list", "storage"]);
    assert!(table.contains("root"), "{table}");
    for kind in ["run", "transform", "ulabel", "collection"] {
        assert_eq!(workplace.json(&["list", kind]), json!([]), "{kind}");
    }
    workplace.ok(&["artifact", "features", "a.h5ad"]);
    let sets = workplace.json(&["list", "feature-set", "--filter", "artifacts=a.h5ad"]);
    assert_eq!(sets.as_array().unwrap().len(), 2);
    let listed = workplace.json(&["list", "artifact", "--filter", "suffix=.zarr"]);
    assert_eq!(texts(&listed, "key"), ["b.zarr"]);
}

#[test]
fn what_is_wrong_is_said_and_nothing_changes() {
    let workplace = Workplace::new();
    workplace.add_files();
    let before = workplace.json(&["artifact", "list"]);
    let long = "x".repeat(10_000);
    let cases: &[(&[&str], &str)] = &[
        (&["--filter", "suffix"], "LOOKUP=VALUE"),
        (&["--filter", "sufix=.h5ad"], "it has id, uid"),
        (&["--filter", "size=many"], "whole number"),
        (&["--any", "collections="], "by its uid or name"),
        (&["--exclude", "created_at__lt=soon"], "2024-05-31"),
        (&["--filter", "key__regex=a"], "there is no regex"),
        (&["--order-by", "name"], "it has id, uid"),
        (&["--order-by", "key; DROP TABLE artifact"], "order by"),
        (&["--filter", "'; DROP TABLE artifact; --=a"], "no field"),
        (&["--limit=-1"], "--limit"),
    ];
    for (arguments, part) in cases {
        let (code, error) = workplace.fails(&[&["artifact", "list"], *arguments].concat());
        assert!([2, 5].contains(&code), "{arguments:?}: {error}");
        assert!(error.to_string().contains(part), "{arguments:?}: {error}");
    }
    for text in ["'; DROP TABLE artifact; --", "%", &long] {
        let filter = format!("key__contains={text}");
        for found in [
            workplace.json(&["artifact", "list", "--filter", &filter]),
            workplace.json(&["artifact", "search", text]),
        ] {
            assert_eq!(found, json!([]), "{text}");
        }
    }
    std::fs::write(workplace.path("d.csv"), "d").unwrap();
    for key in [
        "",
        "../d.csv",
        "/etc/passwd",
        "a\\b.csv",
        "C:\\d.csv",
        &long,
    ] {
        let add = ["artifact", "add", "d.csv", "--key", key];
        let (code, error) = workplace.fails(&add);
        assert_eq!(code, 2, "{key}: {error}");
    }
    let create = |name: &str| workplace.fails(&["collection", "create", name, "a.h5ad"]);
    for name in ["", " ", &long] {
        let (code, error) = create(name);
        assert_eq!(code, 2, "{error}");
    }
    assert_eq!(workplace.json(&["artifact", "list"]), before);
    assert_eq!(workplace.json(&["collection", "list"]), json!([]));
    workplace.ok(&["check", "--deep"]);
}
