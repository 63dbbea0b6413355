//! Which datasets and runs a graph of lineage has.

use super::*;
use crate::lineage::{LineageGraph, LineageNode};

/// The titles at the ends of each edge.
fn edges(graph: &LineageGraph) -> Vec<(&str, &str)> {
    let title = |place: usize| graph.nodes[place].title.as_deref().unwrap_or("-");
    let edges = graph.edges.iter();
    let mut edges: Vec<_> = edges.map(|(from, to)| (title(*from), title(*to))).collect();
    edges.sort_unstable();
    edges
}

fn run(graph: &LineageGraph) -> &LineageNode {
    let mut nodes = graph.nodes.iter();
    nodes.find(|node| node.kind == Kind::Run).unwrap()
}

impl Fixture {
    /// A run of a transform that reads some artifacts and makes others.
    async fn run(&self, name: &str, inputs: &[&Handle<Artifact>], outputs: &[&str]) {
        let transform = self.db.transform(name).save().await.unwrap();
        self.db.track(&transform).await.unwrap();
        for input in inputs {
            input.track_input(None).await.unwrap();
        }
        for output in outputs {
            self.artifact(output).await;
        }
        self.db.finish().await.unwrap();
    }

    async fn key(&self, name: &str) -> Handle<Artifact> {
        let artifacts = self.db.artifacts().with_trash();
        artifacts.get_by_name(&format!("{name}.txt")).await.unwrap()
    }
}

#[tokio::test]
async fn runs_are_followed_back_and_forth() {
    let fixture = Fixture::new().await;
    let raw = fixture.artifact("raw").await;
    fixture.run("clean", &[&raw], &["clean", "log"]).await;
    let clean = fixture.key("clean").await;
    let extra = fixture.artifact("extra").await;
    fixture.run("train", &[&clean, &extra], &["model"]).await;
    fixture.run("aside", &[&raw], &["aside"]).await;
    let mut model = fixture.key("model").await;
    let db = &fixture.db;
    let transform = db.transform("collect").save().await.unwrap();
    db.track(&transform).await.unwrap();
    let models = db.collection([&model]).name("Models").save();
    let mut models = models.await.unwrap();
    db.finish().await.unwrap();

    let graph = clean.view_lineage().read().await.unwrap();
    assert_eq!(graph.nodes[0].uid, clean.uid);
    let mut expected = vec![
        ("clean", "clean.txt"),
        ("clean", "log.txt"),
        ("clean.txt", "train"),
        ("collect", "Models"),
        ("extra.txt", "train"),
        ("model.txt", "collect"),
        ("raw.txt", "clean"),
        ("train", "model.txt"),
    ];
    assert_eq!(edges(&graph), expected);
    let back = clean.view_lineage().with_children(false).read().await;
    expected.retain(|(from, _)| ["clean", "raw.txt"].contains(from));
    assert_eq!(edges(&back.unwrap()), expected);
    let of_models = models.view_lineage().read().await.unwrap();
    assert_eq!(of_models.nodes[0].uid, models.uid);
    assert_eq!(of_models.nodes.len(), graph.nodes.len());
    let of_raw = raw.view_lineage().read().await.unwrap();
    assert!(edges(&of_raw).contains(&("aside", "aside.txt")));
    let detail = run(&graph).detail.as_deref().unwrap();
    assert!(detail.contains(" UTC"), "{detail}");
    let is_whole = |node: &LineageNode| node.more_before + node.more_after == 0;
    assert!(graph.nodes.iter().all(is_whole));

    // What is in the trash is shown, and what is gone is not.
    models.delete(Some(true)).await.unwrap();
    model.delete(None).await.unwrap();
    let graph = clean.view_lineage().read().await.unwrap();
    let trashed: Vec<_> = graph.nodes.iter().filter(|node| node.in_trash).collect();
    assert_eq!(trashed[0].title.as_deref(), Some("model.txt"));
    assert_eq!(trashed.len(), 1);
    assert!(graph.to_text().contains("in the trash"));
    failure(models.view_lineage().read().await, ErrorKind::NotFound);
}

#[tokio::test]
async fn content_that_is_made_again_from_itself_ends() {
    let fixture = Fixture::new().await;
    fixture.run("one", &[], &["x"]).await;
    let x = fixture.key("x").await;
    fixture.run("two", &[&x], &["y"]).await;
    let y = fixture.key("y").await;
    // Now the run of x is one that read what was made of x.
    fixture.run("three", &[&y], &["x"]).await;
    for dataset in [fixture.key("x").await, y] {
        let graph = dataset.view_lineage().read().await.unwrap();
        let expected = [
            ("three", "x.txt"),
            ("two", "y.txt"),
            ("x.txt", "two"),
            ("y.txt", "three"),
        ];
        assert_eq!(edges(&graph), expected);
        assert!(graph.to_svg().len() > 1_000);
        assert!(graph.to_text().contains("see above"));
    }
}

#[tokio::test]
async fn large_graphs_say_what_was_left_out() {
    let fixture = Fixture::new().await;
    let raw = fixture.artifact("raw").await;
    let names: Vec<String> = (0..40).map(|number| format!("part {number}")).collect();
    let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
    fixture.run("split", &[&raw], &outputs).await;
    let mut parts = Vec::new();
    for name in &names {
        parts.push(fixture.key(name).await);
    }
    let last = parts.last().unwrap();
    let graph = last.view_lineage().read().await.unwrap();
    // 25 are listed, and the last one, which was asked for.
    let of_run = run(&graph);
    assert_eq!((of_run.more_before, of_run.more_after), (0, 14));
    assert!(graph.to_svg().contains("14 more outputs"));
    assert_eq!(edges(&graph).len(), 1 + 26);

    let read: Vec<_> = parts.iter().collect();
    fixture.run("join", &read, &["joined"]).await;
    let joined = fixture.key("joined").await;
    let graph = joined.view_lineage().limit(4).read().await.unwrap();
    assert_eq!(graph.nodes.len(), 4);
    let of_run = &graph.nodes[1];
    assert_eq!(
        (of_run.title.as_deref(), of_run.more_before),
        (Some("join"), 38)
    );
    assert_eq!(graph.nodes[2].more_before, 1);
    let one = joined.view_lineage().limit(1).read().await.unwrap();
    assert_eq!((one.nodes.len(), one.nodes[0].more_before), (1, 1));
    let one = raw.view_lineage().limit(1).read().await.unwrap();
    assert_eq!((one.nodes.len(), one.nodes[0].more_after), (1, 1));
    let text = one.to_text();
    assert!(text.contains("read by\n└─ ... and 1 more"), "{text}");
    for limit in [0, 2_001] {
        let refused = raw.view_lineage().limit(limit).read().await;
        failure(refused, ErrorKind::InvalidInput);
    }
}
