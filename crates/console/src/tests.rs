use std::io::Read;

use aws_lc_rs::digest::{SHA256, digest};
use flate2::read::GzDecoder;
use http::{HeaderName, Request, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

async fn ask(path: &str, name: HeaderName, value: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let request = Request::get(path).header(name, value).body(Body::empty());
    let response = router().oneshot(request.unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, body.to_vec())
}

#[tokio::test]
async fn each_file_is_served_plain_and_compressed_and_known_by_its_tag() {
    for asset in ASSETS {
        let path = format!("/console/{}", asset.name);
        let (status, headers, plain) = ask(&path, header::ACCEPT_ENCODING, "br").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_TYPE], asset.media_type);
        assert!(!headers.contains_key(header::CONTENT_ENCODING));
        let (_, headers, compressed) = ask(&path, header::ACCEPT_ENCODING, "br, gzip;q=0.5").await;
        assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
        let mut whole = Vec::new();
        GzDecoder::new(&*compressed)
            .read_to_end(&mut whole)
            .unwrap();
        assert!(whole == plain, "{}", asset.name);
        let (status, headers, nothing) = ask(&path, header::IF_NONE_MATCH, asset.tag).await;
        assert_eq!((status, nothing.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(headers[header::ETAG], asset.tag);
    }
}

#[tokio::test]
async fn the_page_may_use_nothing_from_elsewhere() {
    let (status, headers, page) = ask("/console/", header::ACCEPT_ENCODING, "gzip;q=0").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!headers.contains_key(header::CONTENT_ENCODING));
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
    let page = String::from_utf8(page).unwrap();
    assert!(!page.contains("://") && !page.contains("style=") && !page.contains("onclick"));
    let (status, ..) = ask("/console", header::ACCEPT, "*/*").await;
    assert_eq!(status, StatusCode::PERMANENT_REDIRECT);
    let (status, ..) = ask("/console/../Cargo.toml", header::ACCEPT, "*/*").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// The first load, to the overview with its charts, compressed.
#[test]
fn the_whole_console_is_smaller_than_its_budget() {
    let size: usize = ASSETS.iter().map(|asset| asset.gzip.len()).sum();
    assert!(size < 150 << 10, "{size} bytes");
}

/// Found by import after import, modules would come in as many rounds as they import each other deep.
#[test]
fn every_module_is_named_in_the_page() {
    let index = ASSETS.iter().find(|it| it.name == INDEX).unwrap();
    let page = String::from_utf8(index.plain().unwrap()).unwrap();
    let scripts = ASSETS.iter().map(|it| it.name);
    for script in scripts.filter(|name| name.ends_with(".js") && *name != "js/theme.js") {
        let link = format!("<link rel=\"modulepreload\" href=\"{script}\">");
        assert!(page.contains(&link), "{script}");
    }
}

/// What is vendored is what its registry has, unchanged.
#[test]
fn the_libraries_are_those_that_are_listed() {
    let list = include_str!("../vendor.toml");
    let vendored: Vec<_> = ASSETS
        .iter()
        .filter(|asset| asset.name.starts_with("vendor/"))
        .collect();
    assert!(!vendored.is_empty());
    for asset in vendored {
        let hash = digest(&SHA256, &asset.plain().unwrap());
        let hash: String = hash
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let line = format!(
            "{:?} = \"{hash}\"",
            asset.name.trim_start_matches("vendor/")
        );
        assert!(list.contains(&line), "vendor.toml lacks {line}");
    }
}

/// Every text has its Chinese counterpart, and none is left over.
#[test]
fn every_text_is_translated() {
    let dictionary = ASSETS.iter().find(|it| it.name == "js/chinese.js").unwrap();
    let dictionary = String::from_utf8(dictionary.plain().unwrap()).unwrap();
    let known: Vec<&str> = dictionary
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix('"')?
                .split_once("\": ")
                .map(|(text, _)| text)
        })
        .collect();
    let mut used = Vec::new();
    let scripts: Vec<_> = ASSETS
        .iter()
        .filter(|asset| asset.name.starts_with("js/"))
        .map(|asset| String::from_utf8(asset.plain().unwrap()).unwrap())
        .collect();
    for script in &scripts {
        for (place, _) in script.match_indices("t(\"") {
            let is_name = script[..place]
                .chars()
                .next_back()
                .is_some_and(|it| it.is_alphanumeric() || it == '_' || it == '.');
            if !is_name {
                let text = &script[place + 3..];
                used.push(&text[..text.find('"').unwrap()]);
            }
        }
    }
    let missing: Vec<_> = used.iter().filter(|text| !known.contains(text)).collect();
    assert!(missing.is_empty(), "not translated: {missing:#?}");
    let unused: Vec<_> = known.iter().filter(|text| !used.contains(text)).collect();
    assert!(unused.is_empty(), "not used: {unused:#?}");
}
