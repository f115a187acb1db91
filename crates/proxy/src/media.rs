//! Images and files by URL, fetched here for providers that are not to fetch them.
//!
//! The addresses come from requests, so that only public ones are connected to, whatever providers may be at; nothing is
//! followed, and size, time, number and type are bounded.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Request as HttpRequest, Uri, header};
use http_body_util::{BodyExt, Limited};
use protocol::{
    ClientError, ErrorKind,
    canonical::{Media, Message, Part, Request, Source},
};
use tokio::task::JoinSet;
use upstream::{BaseUrl, Client, Clients, NetworkPolicy, Pieces, TransportSettings};

use crate::{attempt::USER_AGENT, error::Error};

/// Most URLs in one request.
const MOST: usize = 16;
/// Most that are fetched at once.
const AT_ONCE: usize = 4;
/// Largest image or file.
const MOST_BYTES: usize = 20 << 20;
/// Time for one, connection included.
const TIME: Duration = Duration::from_secs(10);
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// What was fetched: type, and bytes in base64.
type Fetched = (String, String);

/// Fetches from where `policy` lets it.
#[derive(Debug)]
pub(crate) struct Fetcher {
    policy: NetworkPolicy,
    /// Made for the first URL: most gateways never see one.
    client: OnceLock<Arc<Client>>,
}

impl Fetcher {
    /// One that has connected to nothing yet.
    pub(crate) fn new(policy: NetworkPolicy) -> Self {
        Self {
            policy,
            client: OnceLock::new(),
        }
    }

    /// The request with the bytes of what it names by URL.
    ///
    /// # Errors
    /// One of them cannot be had; the error names its part.
    pub(crate) async fn inline(&self, request: Arc<Request>) -> Result<Arc<Request>, Error> {
        let named = urls(&request);
        if named.is_empty() {
            return Ok(request);
        }
        if named.len() > MOST {
            let message = format!("more than {MOST} images and files by URL cannot be fetched");
            return Err(ClientError::new(ErrorKind::InvalidRequest, message).into());
        }
        let mut fetched = fetch_all(self.client(), self.policy, named).await?;
        let mut request = Arc::unwrap_or_clone(request);
        fill(&mut request, &mut fetched);
        Ok(Arc::new(request))
    }

    fn client(&self) -> &Arc<Client> {
        self.client.get_or_init(|| {
            let made = Clients::new(self.policy).get(&TransportSettings::default());
            made.expect("without settings none of them can be wrong")
        })
    }
}

/// A URL in a request, and which part it is.
#[derive(Debug)]
struct Named {
    url: String,
    part: String,
}

fn urls(request: &Request) -> Vec<Named> {
    let mut named = Vec::new();
    for (index, message) in request.messages.iter().enumerate() {
        for (part_index, part) in message.parts.iter().enumerate() {
            let path = format!("messages[{index}].content[{part_index}]");
            each_media(part, &mut |media| {
                if let Source::Url(url) = &media.source {
                    let (url, part) = (url.clone(), path.clone());
                    named.push(Named { url, part });
                }
            });
        }
    }
    named
}

fn each_media<'p>(part: &'p Part, see: &mut impl FnMut(&'p Media)) {
    match part {
        Part::Image { media, .. } | Part::File { media, .. } => see(media),
        Part::ToolResult(result) => result.content.iter().for_each(|part| match part {
            Part::Image { media, .. } | Part::File { media, .. } => see(media),
            _ => {}
        }),
        _ => {}
    }
}

async fn fetch_all(
    client: &Arc<Client>,
    policy: NetworkPolicy,
    named: Vec<Named>,
) -> Result<Vec<Fetched>, Error> {
    let mut fetched: Vec<Fetched> = vec![Fetched::default(); named.len()];
    let mut waiting = named.into_iter().enumerate();
    let mut running = JoinSet::new();
    loop {
        while running.len() < AT_ONCE
            && let Some((index, named)) = waiting.next()
        {
            let client = client.clone();
            running.spawn(async move { (index, fetch(&client, policy, &named).await) });
        }
        let Some(done) = running.join_next().await else {
            return Ok(fetched);
        };
        let (index, result) = done.map_err(|_| {
            Error::new(
                ErrorKind::Internal,
                "internal",
                "fetching a URL was stopped",
            )
        })?;
        if let Some(place) = fetched.get_mut(index) {
            *place = result?;
        }
    }
}

async fn fetch(client: &Client, policy: NetworkPolicy, named: &Named) -> Result<Fetched, Error> {
    let asked = tokio::time::timeout(TIME, get(client, policy, &named.url)).await;
    asked
        .unwrap_or(Err("it did not arrive in time"))
        .map_err(|reason| {
            let part = &named.part;
            let message = format!("the URL in '{part}' cannot be fetched: {reason}");
            let mut error = ClientError::new(ErrorKind::InvalidRequest, message);
            error.param = Some(part.clone());
            error.into()
        })
}

/// Gets one; says why not in words that tell nothing of the network.
async fn get(client: &Client, policy: NetworkPolicy, url: &str) -> Result<Fetched, &'static str> {
    let uri = checked(url, policy)?;
    let mut request = HttpRequest::new(Pieces::default());
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("image/*, application/pdf"),
    );
    let response = client
        .send_on_new_connection(request, CONNECT_TIME)
        .await
        .map_err(|_| "its server cannot be reached")?;
    if !response.status().is_success() {
        return Err("its server did not answer with it");
    }
    let media_type = media_type(response.headers().get(header::CONTENT_TYPE))
        .ok_or("it is neither an image nor a PDF")?;
    let body = Limited::new(response.into_body(), MOST_BYTES)
        .collect()
        .await
        .map_err(|_| "it is too large, or broke off")?;
    let bytes: Bytes = body.to_bytes();
    Ok((media_type, BASE64_STANDARD.encode(bytes)))
}

/// The URL as it is asked for: http or https, to a host that may be connected to, without user and fragment.
fn checked(url: &str, policy: NetworkPolicy) -> Result<Uri, &'static str> {
    let without_fragment = url.split('#').next().unwrap_or_default();
    let address = without_fragment.split('?').next().unwrap_or_default();
    // The same reading of hosts as providers' addresses get; connections are guarded besides.
    BaseUrl::parse(address, policy).map_err(|_| "it is no public http(s) URL")?;
    Uri::try_from(without_fragment).map_err(|_| "it is no URL")
}

fn media_type(content_type: Option<&HeaderValue>) -> Option<String> {
    let text = content_type?.to_str().ok()?;
    let media_type = text.split(';').next()?.trim().to_ascii_lowercase();
    (media_type.starts_with("image/") || media_type == "application/pdf").then_some(media_type)
}

/// Puts what was fetched where the URLs stood, in the same order.
fn fill(request: &mut Request, fetched: &mut Vec<Fetched>) {
    let mut fetched = fetched.drain(..);
    let mut put = |media: &mut Media| {
        if matches!(media.source, Source::Url(_))
            && let Some((media_type, base64)) = fetched.next()
        {
            media.media_type = Some(media_type);
            media.source = Source::Inline(base64);
        }
    };
    let parts = request.messages.iter_mut().flat_map(parts_of);
    for part in parts {
        match part {
            Part::Image { media, .. } | Part::File { media, .. } => put(media),
            Part::ToolResult(result) => {
                for part in &mut result.content {
                    if let Part::Image { media, .. } | Part::File { media, .. } = part {
                        put(media);
                    }
                }
            }
            _ => {}
        }
    }
}

fn parts_of(message: &mut Message) -> impl Iterator<Item = &mut Part> {
    message.parts.iter_mut()
}

#[cfg(test)]
mod tests {
    use protocol::canonical::{Role, ToolResult};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn image(url: &str) -> Part {
        Part::Image {
            media: Media {
                media_type: None,
                source: Source::Url(url.into()),
            },
            detail: None,
            cache: None,
        }
    }

    fn with(parts: Vec<Part>) -> Request {
        Request {
            messages: vec![Message::new(Role::User, parts)],
            ..Request::default()
        }
    }

    #[test]
    fn what_is_fetched_stands_where_its_url_stood() {
        let result = Part::ToolResult(ToolResult {
            call_id: "c".into(),
            name: "t".into(),
            content: vec![image("http://h/2")],
            object: None,
            is_error: false,
            cache: None,
        });
        let mut request = with(vec![Part::text("see"), image("http://h/1"), result]);
        let named = urls(&request);
        let told: Vec<_> = named
            .iter()
            .map(|it| (it.url.as_str(), it.part.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("http://h/1", "messages[0].content[1]"),
                ("http://h/2", "messages[0].content[2]")
            ]
        );
        let mut fetched = vec![
            ("image/png".to_owned(), "AA==".to_owned()),
            ("image/gif".to_owned(), "AQ==".to_owned()),
        ];
        fill(&mut request, &mut fetched);
        assert!(urls(&request).is_empty());
        let Part::Image { media, .. } = &request.messages[0].parts[1] else {
            panic!()
        };
        assert_eq!(media.media_type.as_deref(), Some("image/png"));
        assert_eq!(media.source, Source::Inline("AA==".into()));
    }

    #[test]
    fn only_public_addresses_are_asked() {
        for url in [
            "http://127.0.0.1/x.png",
            "http://localhost/x.png",
            "http://10.0.0.1/x.png",
            "http://169.254.169.254/latest",
            "http://[::1]/x",
            "http://0x7f000001/x",
            "file:///etc/passwd",
            "data:image/png;base64,AA==",
            "http://user:pass@example.com/x",
            "x.png",
        ] {
            assert!(checked(url, NetworkPolicy::Public).is_err(), "{url}");
        }
        let uri = checked(
            "https://example.com/a.png?size=1#top",
            NetworkPolicy::Public,
        )
        .unwrap();
        assert_eq!(uri.to_string(), "https://example.com/a.png?size=1");
    }

    #[test]
    fn only_images_and_pdfs_are_taken() {
        let taken = |text: &'static str| media_type(Some(&HeaderValue::from_static(text)));
        assert_eq!(taken("image/PNG; q=1").as_deref(), Some("image/png"));
        assert_eq!(taken("application/pdf").as_deref(), Some("application/pdf"));
        assert_eq!(taken("text/html"), None);
        assert_eq!(media_type(None), None);
    }

    /// A server that answers every request with `answer`; `http://` and its address.
    async fn server(answer: String) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                assert!(stream.read(&mut head).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        origin
    }

    fn answer(status: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}\r\ncontent-length: {length}\r\n\r\n{body}")
    }

    /// The same with one that may connect to this machine, as that for requests may not.
    #[tokio::test]
    async fn what_is_named_by_url_is_fetched_and_stands_inline() {
        let origin = server(answer("200 OK", "Content-Type: Image/PNG; a=b", "\u{1}x")).await;
        let url = format!("{origin}/a.png?b=c#d");
        let request = Arc::new(with(vec![Part::text("see"), image(&url), image(&url)]));
        let fetcher = Fetcher::new(NetworkPolicy::Any);
        let inlined = fetcher.inline(request.clone()).await.unwrap();
        let fetched = Part::Image {
            media: Media {
                media_type: Some("image/png".to_owned()),
                source: Source::Inline("AXg=".into()),
            },
            detail: None,
            cache: None,
        };
        let parts = vec![Part::text("see"), fetched.clone(), fetched];
        assert_eq!(inlined.messages[0].parts, parts);
        assert_eq!(
            *request,
            with(vec![Part::text("see"), image(&url), image(&url)])
        );
    }

    #[tokio::test]
    async fn what_is_no_image_or_elsewhere_is_not_taken() {
        let elsewhere = "Location: http://127.0.0.1/x\r\nContent-Type: image/png";
        for (answer, says) in [
            (answer("302 Found", elsewhere, ""), "did not answer with it"),
            (answer("200 OK", "Content-Type: text/html", "a"), "neither"),
            (answer("200 OK", "X: image/png", "a"), "neither"),
            ("SSH-2.0-x\r\n".to_owned(), "cannot be reached"),
            (
                "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 9\r\n\r\na"
                    .to_owned(),
                "broke off",
            ),
        ] {
            let url = format!("{}/x", server(answer).await);
            let request = Arc::new(with(vec![image(&url)]));
            let fetcher = Fetcher::new(NetworkPolicy::Any);
            let error = fetcher.inline(request).await.unwrap_err();
            assert!(error.message().contains(says), "{}", error.message());
            assert!(!error.message().contains("127.0.0.1"));
        }
    }

    #[tokio::test]
    async fn a_failure_names_the_part() {
        let fetcher = Fetcher::new(NetworkPolicy::Public);
        let request = Arc::new(with(vec![image("http://127.0.0.1:1/x.png")]));
        let error = fetcher.inline(request).await.unwrap_err();
        assert!(
            error.message().contains("messages[0].content[0]"),
            "{}",
            error.message()
        );
        let many = (0..=MOST).map(|_| image("http://h/x")).collect();
        let error = fetcher.inline(Arc::new(with(many))).await.unwrap_err();
        assert!(
            error.message().contains("more than 16"),
            "{}",
            error.message()
        );
    }
}
