//! Searching an instance on any backend: the same words find the same records, in the same order.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use super::transfer::{artifact, done, instance};
use anndex_core::backend::Backend;
use anndex_core::error::ErrorKind;
use anndex_core::instance::Instance;

/// Runs the whole suite. The function gives an empty backend, the directory is empty and the
/// suite's own. Must be called inside a tokio runtime.
///
/// # Panics
/// If something else is found than should be.
pub async fn run<M, F>(make: M, directory: &Path)
where
    M: Fn() -> F,
    F: Future<Output = Arc<dyn Backend>>,
{
    ranks(&instance(make().await, &directory.join("ranks"), "ada").await).await;
    folds(&instance(make().await, &directory.join("folds"), "ada").await).await;
    odd_queries(&instance(make().await, &directory.join("odd"), "ada").await).await;
}

/// The names of the labels that are found.
async fn found(db: &Instance, text: &str) -> Vec<String> {
    let found = done(db.ulabels().search(text).await);
    found.iter().map(|label| label.name.clone()).collect()
}

async fn labels(db: &Instance, names: &[&str]) {
    for name in names {
        done(db.ulabel(*name).save().await);
    }
}

async fn ranks(db: &Instance) {
    let names = [
        "lung of mice",
        "old Lung cells",
        "LUNG",
        "a blunge",
        "blood",
        "cells of a lung",
        "100%_lung",
    ];
    labels(db, &names).await;
    done(db.ulabel("x").description("lung").save().await);
    let ranked = [
        "LUNG",
        "x",
        "lung of mice",
        "100%_lung",
        "cells of a lung",
        "old Lung cells",
        "a blunge",
    ];
    assert_eq!(found(db, "lung").await, ranked);
    let two = done(db.ulabels().limit(2).offset(1).search(" Lung ").await);
    let two: Vec<&str> = two.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(two, ranked[1..3]);
    let apart = ["old Lung cells", "cells of a lung"];
    assert_eq!(found(db, "lung cells").await, apart);

    // Keys are searched, and what is in the trash on request.
    let mut heart = artifact(db, "heart").await;
    assert_eq!(done(db.artifacts().search("HEART.t").await).len(), 1);
    done(heart.delete(None).await);
    assert!(done(db.artifacts().search("heart").await).is_empty());
    let trashed = done(db.artifacts().with_trash().search("heart").await);
    assert_eq!(trashed, [heart]);
}

async fn folds(db: &Instance) {
    let names = [
        "McDonald",
        "Größe",
        "ΟΔΥΣΣΕΥΣ",
        "Жизнь",
        "Ångström",
        "İstanbul",
        "50 \u{212a}elvin",
        "ﬁne",
        "Ⅷ",
        "strasse",
    ];
    labels(db, &names).await;
    for (text, expected) in [
        ("mcdonald", &["McDonald"][..]),
        ("MCDONALD", &["McDonald"]),
        ("cDoNaL", &["McDonald"]),
        ("GRÖßE", &["Größe"]),
        ("RÖẞ", &["Größe"]),
        ("οδυσσευσ", &["ΟΔΥΣΣΕΥΣ"]),
        ("δυσσευς", &["ΟΔΥΣΣΕΥΣ"]),
        ("жИЗНЬ", &["Жизнь"]),
        ("åNGSTRÖM", &["Ångström"]),
        ("\u{212b}ng", &["Ångström"]),
        ("kelvin", &["50 \u{212a}elvin"]),
        ("ⅷ", &["Ⅷ"]),
        // One character is never two, nor one with its mark taken away.
        ("istanbul", &[]),
        ("straße", &[]),
        ("fine", &[]),
        ("grosse", &[]),
        ("angstrom", &[]),
        ("İSTAN", &["İstanbul"]),
    ] {
        assert_eq!(found(db, text).await, expected, "{text}");
    }
}

async fn odd_queries(db: &Instance) {
    let names = [
        "100%",
        "a_b",
        "axb",
        "c\\d",
        "it's",
        "say \"hi\"",
        "[abc]",
        "a.*b?",
        "Robert'); DROP TABLE ulabel;--",
        "tab\there",
        "🧬 gene",
        "{from} $1 ?1 :x",
    ];
    labels(db, &names).await;
    for name in names {
        let shouted = name.to_uppercase();
        for text in [name, shouted.as_str()] {
            assert_eq!(found(db, text).await, [name], "{text}");
        }
    }
    for (text, expected) in [
        ("%", &["100%"][..]),
        ("_", &["a_b"]),
        ("\\", &["c\\d"]),
        ("'", &["Robert'); DROP TABLE ulabel;--", "it's"]),
        ("\"", &["say \"hi\""]),
        ("[", &["[abc]"]),
        ("a%b", &[]),
        ("a?b", &[]),
        ("***=a", &[]),
        ("🧬", &["🧬 gene"]),
        ("", &[]),
        ("  \t\n ", &[]),
    ] {
        assert_eq!(found(db, text).await, expected, "{text}");
    }
    // A text may be long, have many words, or letters of every alphabet.
    let long = "x".repeat(100_000);
    let alphabets: String = ('\u{100}'..'\u{250}').chain('Α'..'ώ').collect();
    for text in [long.as_str(), &alphabets] {
        assert!(found(db, text).await.is_empty());
    }
    let description = format!("{} {}", "ü".repeat(5_000), alphabets);
    let described = db.ulabel("described").description(description.as_str());
    done(described.save().await);
    let shouted = |c: char| match (c, c.to_uppercase().collect::<Vec<_>>().as_slice()) {
        // The capital of this one is another letter's.
        ('ı', _) => c,
        (_, [upper]) => *upper,
        _ => c,
    };
    let text: String = description.chars().map(shouted).collect();
    assert_ne!(text, description);
    assert_eq!(found(db, &text).await, ["described"]);
    let words = "described ".repeat(300);
    assert_eq!(found(db, &words).await, ["described"]);
    for refused in ["a\0b".to_owned(), ('\u{100}'..'\u{1ffff}').collect()] {
        let error = db.ulabels().search(&refused).await.err();
        let kind = error.map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::InvalidInput));
    }
    assert_eq!(done(db.ulabels().count().await), 13);
}
