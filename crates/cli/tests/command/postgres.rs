//! Instances at a URL, whose password is nobody's business.

use anndex_test_server::Database;

use crate::cache::Bucket;
use crate::support::Workplace;

/// The password in the URL of a test database.
fn password(url: &str) -> &str {
    let (credentials, _) = url.split_once('@').unwrap();
    credentials.rsplit_once(':').unwrap().1
}

#[test]
fn an_instance_at_a_url_does_what_one_in_a_directory_does() {
    let database = Database::create();
    let (url, name) = (database.url(), database.name());
    let workplace = Workplace::empty();
    let (code, error) = workplace.fails(&["init", &url]);
    assert_eq!(code, 2, "{error}");
    assert!(error.to_string().contains("storage"), "{error}");

    let made = workplace.json(&["init", "--db", &url, "--storage", "cells"]);
    assert_eq!(made["is_new"], true, "{made}");
    assert!(made["location"].as_str().unwrap().ends_with(name), "{made}");
    let root = workplace.path("cells").canonicalize().unwrap();
    assert_eq!(made["storage_root"], root.to_str().unwrap());
    let again = workplace.json(&["init", &url]);
    assert_eq!(again["is_new"], false, "{again}");
    let (code, error) = workplace.fails(&["init", &url, "--storage", "other"]);
    assert_eq!(code, 2, "{error}");

    std::fs::write(workplace.path("cells/a.csv"), "a,b\n1,2\n").unwrap();
    workplace.ok(&["artifact", "add", "cells/a.csv", "--db", &url]);
    let listed = workplace.json(&["artifact", "list", "--db", &url]);
    assert_eq!(listed[0]["key"], "a.csv", "{listed}");
    for text in [made, again, error, listed] {
        assert!(!text.to_string().contains(password(&url)), "{text}");
    }
}

#[test]
fn a_bucket_is_the_default_storage_of_an_instance_at_a_url() {
    let database = Database::create();
    let url = database.url();
    let bucket = Bucket::new();
    std::fs::write(bucket.workplace.path("b.txt"), "other").unwrap();
    let storage = bucket.url("lab");
    let made = bucket.json(&["init", &url, "--storage", &storage]);
    assert_eq!(
        (&made["storage_root"], &made["is_new"]),
        (&storage.as_str().into(), &true.into())
    );
    let again = bucket.json(&["init", &url]);
    assert_eq!(
        (&again["storage_root"], &again["is_new"]),
        (&made["storage_root"], &false.into())
    );
    let added = bucket.json(&["artifact", "add", "b.txt", "--db", &url]);
    let key = added[0]["storage_key"].as_str().unwrap();
    let there = bucket.workplace.path("buckets/cells/lab").join(key);
    assert_eq!(std::fs::read_to_string(there).unwrap(), "other");
    bucket.ok(&["check", "--deep", "--db", &url]);
}

#[test]
fn the_exit_code_says_what_is_wrong_with_the_database() {
    // Takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let database = Database::create();
    let workplace = Workplace::empty();
    let url = database.url();
    workplace.ok(&["init", "--db", &url, "--storage", "cells"]);
    let newer = Database::create();
    workplace.ok(&["init", "--db", &newer.url(), "--storage", "newer"]);
    newer.run("INSERT INTO anndex_migration VALUES ('0099_later@7.3.1', 0)");
    let password = password(&url);
    let (server, _) = url.rsplit_once('/').unwrap();
    let cases = [
        (url.replace(password, "wr0ng-w0rd"), 1, "password"),
        (format!("{server}/nothing_here"), 3, "createdb"),
        (
            format!("postgres://ada:{password}@127.0.0.1:1/x"),
            1,
            "reached",
        ),
        (
            format!("postgres://ada:{password}@nowhere.invalid/x"),
            1,
            "reached",
        ),
        (
            format!("postgres://ada:{password}@{silent}/x?connect_timeout=1"),
            1,
            "",
        ),
        (format!("postgres://ada:{password}@127.0.0.1:port/x"), 2, ""),
        (format!("postgres://ada:{password}@"), 2, ""),
        (format!("{url}?nosuch={password}"), 2, "parameter"),
        (format!("mysql://ada:{password}@127.0.0.1/x"), 5, "postgres"),
        (newer.url(), 5, "7.3.1"),
    ];
    for (location, code, part) in &cases {
        for arguments in [
            &["artifact", "list"][..],
            &["init", "--storage", "elsewhere"],
            &["check", "--repair"],
        ] {
            let arguments = [arguments, &["--db", location]].concat();
            let (exit, error) = workplace.fails(&arguments);
            assert_eq!(exit, *code, "{arguments:?}: {error}");
            let text = error.to_string();
            assert!(text.contains(part), "{arguments:?}: {error}");
            assert!(!text.contains(password), "{arguments:?}: {error}");
            assert!(!text.contains("wr0ng-w0rd"), "{arguments:?}: {error}");
        }
        assert!(!workplace.path("elsewhere").exists(), "{location}");
    }
    assert_eq!(
        workplace.json(&["artifact", "list", "--db", &url]),
        serde_json::json!([])
    );
}

#[test]
fn a_password_is_in_no_error() {
    let database = Database::create();
    let workplace = Workplace::empty();
    let url = database.url();
    let (_, place) = url.split_once('@').unwrap();
    let bad = |rest: &str| format!("postgres://anndex:s3cr3t{rest}");
    let locations = [
        bad(&format!("@{place}")),
        bad("@127.0.0.1:1/cells"),
        bad("/x@127.0.0.1:1/cells"),
        bad("@127.0.0.1:port/cells"),
        format!("postgres://{place}?pasword=s3cr3t"),
        bad("@127.0.0.1:1/cells").replace("postgres", "mysql"),
    ];
    for location in &locations {
        for arguments in [
            &["artifact", "list", "-vv", "--db", location][..],
            &["artifact", "list", "--db", location, "--json"],
            &["init", location, "--storage", "cells"],
            &["init", location, "--storage", "cells", "--json"],
            // In places where none is expected.
            &[location],
            &[location, "--json"],
            &["init", "a", location],
        ] {
            let output = workplace.call(arguments);
            assert!(!output.status.success(), "{arguments:?}");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert!(
                !said.is_empty() && !said.contains("s3cr3t"),
                "{arguments:?}: {said}"
            );
        }
    }
}
