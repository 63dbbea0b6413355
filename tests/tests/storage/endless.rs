//! A bucket whose list has no end: each page says that the same one follows.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anndex_core::ErrorKind;
use anndex_tests::servers::{environment, open};

/// Serves that page; gives the URL and how often it was asked for.
fn serve() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicU64::new(0));
    let count = requests.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let count = count.clone();
            std::thread::spawn(move || answer(socket.unwrap(), &count));
        }
    });
    (url, requests)
}

/// Answers whatever is asked on a connection, until the client goes away.
fn answer(mut socket: TcpStream, count: &AtomicU64) {
    let objects: String = (0..1000)
        .map(|number| {
            format!(
                "<Contents><Key>atlas.zarr/{number:04}</Key><Size>1</Size>\
                 <LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>\"a\"</ETag></Contents>"
            )
        })
        .collect();
    let page = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><Name>cells</Name>\
         <IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>\
         <KeyCount>1000</KeyCount>{objects}</ListBucketResult>"
    );
    let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
    loop {
        let head = lines.by_ref().map_while(Result::ok);
        if head.take_while(|line| !line.is_empty()).count() == 0 {
            return;
        }
        count.fetch_add(1, Ordering::Relaxed);
        let length = page.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\r\n"
        );
        if socket.write_all((head + &page).as_bytes()).is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_list_that_repeats_its_token_is_refused_after_a_few_pages() {
    let (url, requests) = serve();
    let storage = open(environment(), &format!("s3://cells?endpoint_url={url}"));
    let error = storage.list("atlas.zarr").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:#}");
    assert!(error.message().contains("again and again"), "{error:#}");
    assert!(requests.load(Ordering::Relaxed) < 10);
}
