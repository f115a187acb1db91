//! What of a stream is withheld from the client until moderation has judged it.
//!
//! Pieces are gathered in a window, which closes when it says enough, when it has been open for long enough, or when nothing
//! more is to come. Then the moderation endpoints are asked about it, while the next window gathers; when that is full too,
//! nothing more is taken from the provider. Beside a window the endpoints are told what was said just before it, so that what
//! begins in one and ends in the next is seen whole.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use guards::Moderation;
use protocol::Said;
use tokio::time::{Sleep, sleep};
use upstream::Client;

use crate::moderation::{Judgement, judge};

/// Bytes of text at which a window closes: a few sentences.
const SAYS_ENOUGH: usize = 400;
/// How long a window is open at most.
const OPEN_FOR: Duration = Duration::from_millis(500);
/// Bytes of what an answer said before that are told beside a window.
const BEFORE: usize = 2000;
/// Most bytes for the client in a window, whatever they say.
const HOLDS_ENOUGH: usize = 1 << 20;

/// A piece of a stream for the client, and what it says, where that is heard.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) said: Vec<Said>,
}

/// Who is asked about a stream.
#[derive(Debug)]
pub(crate) struct Moderators {
    pub(crate) endpoints: Arc<[Arc<Moderation>]>,
    pub(crate) client: Arc<Client>,
}

/// What becomes of what is withheld.
#[derive(Debug)]
pub(crate) enum Turn {
    /// More may come.
    Open,
    /// Nothing more may come until there is a judgement.
    Full,
    /// This may be told if the judgement lets it pass; where nobody had to be asked there is none.
    Judged(Option<Judgement>, Vec<Bytes>),
}

/// What of one stream is withheld.
pub(crate) struct Withheld {
    moderators: Moderators,
    /// The window that is open.
    pieces: Vec<Bytes>,
    holds: usize,
    says: usize,
    /// Runs since the first text of it.
    closes: Option<Pin<Box<Sleep>>>,
    /// What each answer said last, and how much of that is in the open window.
    answers: Vec<Answer>,
    /// The window that was closed before.
    judging: Option<(BoxFuture<'static, Judgement>, Vec<Bytes>)>,
}

#[derive(Debug)]
struct Answer {
    choice: u32,
    text: String,
    new: usize,
}

impl fmt::Debug for Withheld {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Withheld");
        shown.field("says", &self.says).finish_non_exhaustive()
    }
}

impl Withheld {
    /// Nothing yet.
    pub(crate) fn new(moderators: Moderators) -> Self {
        Self {
            moderators,
            pieces: Vec::new(),
            holds: 0,
            says: 0,
            closes: None,
            answers: Vec::new(),
            judging: None,
        }
    }

    /// Whether there is nothing that the client does not get yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.judging.is_none()
    }

    /// Drops what was not judged.
    pub(crate) fn discard(&mut self) {
        self.judging = None;
        self.close();
    }

    /// Takes what comes next.
    pub(crate) fn push(&mut self, piece: Piece) {
        self.holds += piece.bytes.len();
        self.pieces.push(piece.bytes);
        for said in piece.said {
            self.says += said.text.len();
            let known = self.answers.iter_mut().find(|it| it.choice == said.choice);
            match known {
                Some(answer) => {
                    answer.new += said.text.len();
                    answer.text.push_str(&said.text);
                }
                None => self.answers.push(Answer {
                    choice: said.choice,
                    new: said.text.len(),
                    text: said.text,
                }),
            }
        }
        if self.says > 0 && self.closes.is_none() {
            self.closes = Some(Box::pin(sleep(OPEN_FOR)));
        }
    }

    /// What becomes of it now. Where it `is_last`, nothing more comes, so that nothing is waited for but judgements.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, is_last: bool) -> Turn {
        if self.judging.is_none() {
            if self.pieces.is_empty() {
                return Turn::Open;
            }
            if self.says == 0 {
                return Turn::Judged(None, self.close());
            }
            if !(is_last || self.is_full() || self.has_been_open(context)) {
                return Turn::Open;
            }
            let asking = self.ask();
            self.judging = Some((asking, self.close()));
        }
        let Some((asking, _)) = &mut self.judging else {
            return Turn::Open;
        };
        match asking.as_mut().poll(context) {
            Poll::Pending if is_last || self.is_full() => Turn::Full,
            Poll::Pending => Turn::Open,
            Poll::Ready(judgement) => {
                let pieces = self.judging.take().map(|(_, pieces)| pieces);
                Turn::Judged(Some(judgement), pieces.unwrap_or_default())
            }
        }
    }

    fn is_full(&self) -> bool {
        self.says >= SAYS_ENOUGH || self.holds >= HOLDS_ENOUGH
    }

    fn has_been_open(&mut self, context: &mut Context<'_>) -> bool {
        let closes = self.closes.as_mut();
        closes.is_some_and(|closes| closes.as_mut().poll(context).is_ready())
    }

    /// Asks about what the open window says.
    fn ask(&self) -> BoxFuture<'static, Judgement> {
        let Moderators { endpoints, client } = &self.moderators;
        let (endpoints, client, text) = (endpoints.clone(), client.clone(), self.text());
        async move { judge(&endpoints, &text, &client).await }.boxed()
    }

    /// What the open window says, answer by answer, each after what it said before.
    fn text(&self) -> String {
        let said = self.answers.iter().filter(|answer| answer.new > 0);
        let said: Vec<&str> = said.map(|answer| &*answer.text).collect();
        said.join("\n")
    }

    /// Closes the window; what was in it for the client.
    fn close(&mut self) -> Vec<Bytes> {
        for answer in &mut self.answers {
            let before = answer.text.len().saturating_sub(BEFORE);
            answer.text.drain(..answer.text.ceil_char_boundary(before));
            answer.new = 0;
        }
        (self.holds, self.says, self.closes) = (0, 0, None);
        mem::take(&mut self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use guards::{Guards, GuardsFields};
    use upstream::{Clients, NetworkPolicy, TransportSettings};

    use super::*;

    fn withheld() -> Withheld {
        let fields: GuardsFields =
            serde_json::from_str(r#"{"moderation": {"url": "http://127.0.0.1:9/"}}"#).unwrap();
        let guards = Guards::of(
            &fields,
            |_| Err(String::new()),
            |url| Ok(url.parse().unwrap()),
        );
        let moderation = guards.unwrap().unwrap().moderation.unwrap();
        let clients = Clients::new(NetworkPolicy::Any);
        let client = clients.get(&TransportSettings::default()).unwrap();
        Withheld::new(Moderators {
            endpoints: [moderation].into(),
            client,
        })
    }

    fn piece(choice: u32, text: &str) -> Piece {
        let text = text.to_owned();
        Piece {
            bytes: Bytes::from(format!("<{text}>")),
            said: vec![Said { choice, text }],
        }
    }

    fn turn(withheld: &mut Withheld, is_last: bool) -> Turn {
        withheld.poll(&mut Context::from_waker(std::task::Waker::noop()), is_last)
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_nothing_passes_where_nothing_waits_before_it() {
        let mut withheld = withheld();
        withheld.push(Piece {
            bytes: Bytes::from_static(b"role"),
            said: Vec::new(),
        });
        let Turn::Judged(None, pieces) = turn(&mut withheld, false) else {
            panic!()
        };
        assert_eq!(pieces, ["role"]);
        assert!(withheld.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_closes_when_it_says_enough_or_was_open_for_long_or_is_the_last() {
        let is_asked = |withheld: &Withheld| withheld.judging.is_some();
        let mut by_size = withheld();
        by_size.push(piece(0, &"a".repeat(SAYS_ENOUGH - 1)));
        assert!(matches!(turn(&mut by_size, false), Turn::Open));
        assert!(!is_asked(&by_size));
        by_size.push(piece(0, "b"));
        turn(&mut by_size, false);
        assert!(is_asked(&by_size) && !by_size.is_empty());

        let mut by_time = withheld();
        by_time.push(piece(0, "a"));
        tokio::time::advance(OPEN_FOR / 2).await;
        by_time.push(piece(0, "b"));
        turn(&mut by_time, false);
        assert!(!is_asked(&by_time));
        tokio::time::advance(OPEN_FOR / 2).await;
        turn(&mut by_time, false);
        assert!(is_asked(&by_time), "since the first, not the last of it");

        let mut last = withheld();
        last.push(piece(0, "a"));
        assert!(matches!(turn(&mut last, true), Turn::Full));
        assert!(is_asked(&last));
    }

    #[tokio::test(start_paused = true)]
    async fn while_one_window_is_judged_the_next_gathers_until_it_is_full() {
        let mut withheld = withheld();
        withheld.push(piece(0, &"a".repeat(SAYS_ENOUGH)));
        assert!(matches!(turn(&mut withheld, false), Turn::Open));
        withheld.push(piece(0, "b"));
        assert!(matches!(turn(&mut withheld, false), Turn::Open));
        withheld.push(piece(0, &"c".repeat(SAYS_ENOUGH)));
        assert!(matches!(turn(&mut withheld, false), Turn::Full));
        withheld.discard();
        assert!(withheld.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_is_judged_by_answer_and_with_what_was_said_before() {
        let mut withheld = withheld();
        for (choice, text) in [(0, "vio"), (1, "peace "), (0, "lence")] {
            withheld.push(piece(choice, text));
        }
        assert_eq!(withheld.text(), "violence\npeace ");
        withheld.close();
        assert_eq!(withheld.text(), "", "all of it was told");
        withheld.push(piece(1, "and quiet"));
        assert_eq!(withheld.text(), "peace and quiet");
        withheld.push(piece(1, &"é".repeat(BEFORE)));
        withheld.close();
        withheld.push(piece(1, "!"));
        assert_eq!(withheld.text(), format!("{}!", "é".repeat(BEFORE / 2)));
    }
}
