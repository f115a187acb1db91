//! What answers have to pass, piece by piece or whole.

use std::borrow::Cow;

use protocol::{Denied, Window};

/// What answers have to pass.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    pub(super) rules: Option<guards::Screen>,
    /// Whether streams are moderated, so that somebody has to hear what they say.
    pub(super) is_overheard: bool,
}

impl Screen {
    /// Of these rules, for streams that are moderated or not; `None` where nothing has to be passed.
    pub(super) fn new(rules: Option<guards::Screen>, is_overheard: bool) -> Option<Self> {
        let is_any = rules.is_some() || is_overheard;
        is_any.then_some(Self {
            rules,
            is_overheard,
        })
    }

    /// The stream, with what it says screened, and heard where it has to be.
    pub(crate) fn over(&self, stream: protocol::Stream) -> protocol::Stream {
        let stream = stream.screened(Box::new(self.clone()));
        if self.is_overheard {
            stream.overheard()
        } else {
            stream
        }
    }
}

/// What is said in the place of a text; `None` where it stays.
pub(super) fn look(rules: &guards::Screen, text: &str) -> Result<Option<String>, Denied> {
    match rules.whole(text) {
        Ok(Cow::Borrowed(_)) => Ok(None),
        Ok(Cow::Owned(changed)) => Ok(Some(changed)),
        Err(denial) => Err(Denied(denial.rule)),
    }
}

impl protocol::Screen for Screen {
    fn whole(&self, text: &str) -> Result<Option<String>, Denied> {
        match &self.rules {
            Some(rules) => look(rules, text),
            None => Ok(None),
        }
    }

    fn window(&self) -> Box<dyn Window> {
        match &self.rules {
            Some(rules) => Box::new(Held(rules.window())),
            None => Box::new(Open),
        }
    }
}

#[derive(Debug)]
struct Held(guards::Window);

impl Window for Held {
    fn push(&mut self, piece: &str, out: &mut String) -> Result<(), Denied> {
        let pushed = self.0.push(piece, out);
        pushed.map_err(|denial| Denied(denial.rule))
    }

    fn finish(&mut self, out: &mut String) -> Result<(), Denied> {
        let finished = self.0.finish(out);
        finished.map_err(|denial| Denied(denial.rule))
    }
}

/// Lets all pass, where no rule is looked for.
#[derive(Debug)]
struct Open;

impl Window for Open {
    fn push(&mut self, piece: &str, out: &mut String) -> Result<(), Denied> {
        out.push_str(piece);
        Ok(())
    }

    fn finish(&mut self, _: &mut String) -> Result<(), Denied> {
        Ok(())
    }
}
