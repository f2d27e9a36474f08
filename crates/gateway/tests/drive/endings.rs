//! A session that is ended while its request is at work on the disk.

use http::StatusCode;

use crate::served::Served;

/// All of alice's files, and what they hold.
async fn all(served: &Served) -> Vec<Option<Vec<u8>>> {
    let mut all = Vec::new();
    for path in ["/file", "/new", "/tree/in", "/tree/deep/in", "/other/in", "/other/deep/in", "/made/in"] {
        all.push(served.get(path).await.map(Vec::from));
    }
    all
}

#[tokio::test]
async fn what_is_ended_puts_nothing_in_its_place() {
    for (line, headers, body, done) in [
        ("PUT /file", "", &b"new"[..], StatusCode::NO_CONTENT),
        ("PUT /new", "", b"new", StatusCode::CREATED),
        ("DELETE /file", "", b"", StatusCode::NO_CONTENT),
        ("MKCOL /made", "", b"", StatusCode::CREATED),
        ("COPY /file", "Destination: /new\r\n", b"", StatusCode::CREATED),
        ("COPY /file", "Destination: /tree/in\r\n", b"", StatusCode::NO_CONTENT),
        ("MOVE /file", "Destination: /tree/in\r\n", b"", StatusCode::NO_CONTENT),
        ("COPY /tree", "Destination: /made\r\n", b"", StatusCode::CREATED),
        ("COPY /tree", "Destination: /other\r\n", b"", StatusCode::NO_CONTENT),
        ("MOVE /tree", "Destination: /other\r\n", b"", StatusCode::NO_CONTENT),
        ("COPY /tree", "Destination: /other\r\nDepth: 0\r\n", b"", StatusCode::NO_CONTENT),
    ] {
        let served = Served::with_limit(1 << 20).await;
        for folder in ["/tree", "/tree/deep", "/other", "/other/deep"] {
            served.ask(&format!("MKCOL {folder}"), "", b"").await;
        }
        for file in ["/file", "/tree/in", "/tree/deep/in", "/other/in", "/other/deep/in"] {
            served.put(file, file.as_bytes()).await;
        }
        let (before, used) = (all(&served).await, served.quota().await);
        // Ended at the first look at it, the second, and so on until there is none left.
        let mut looks = 0;
        let status = loop {
            let status = served.ask(line, &format!("{headers}X-Stands: {looks}\r\n"), body).await.status;
            if status.is_success() || looks > 100 {
                break status;
            }
            assert_eq!(all(&served).await, before, "{line} {headers} ended at {looks}");
            assert_eq!(served.quota().await, used, "{line} {headers} ended at {looks}");
            assert_eq!(std::fs::read_dir(served.folder_of(".incoming")).unwrap().count(), 0);
            looks += 1;
        };
        assert_eq!(status, done, "{line} {headers}");
        assert!(looks > 0, "{line} {headers}: nobody looked");
    }
}
