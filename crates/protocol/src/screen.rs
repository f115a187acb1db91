//! Looking at what is said in a stream before it is written, so that some of it may be changed or held back.

use std::{borrow::Cow, fmt::Debug, mem, sync::Arc};

use crate::{canonical::Event, texts::rewrite_arguments};

/// Most bytes of a choice's calls that are held until they are whole.
const MOST_ARGUMENTS: usize = 4 << 20;

/// A text may not be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' denies it")]
pub struct Denied(
    /// What denies it.
    pub Arc<str>,
);

/// Judges texts.
pub trait Screen: Debug + Send + Sync {
    /// What is said in the place of a whole text; `None` where it stays.
    ///
    /// # Errors
    /// It may not be said.
    fn whole(&self, text: &str) -> Result<Option<String>, Denied>;

    /// For a text that comes in pieces.
    fn window(&self) -> Box<dyn Window>;
}

/// Lets a text pass that comes in pieces.
pub trait Window: Debug + Send + Sync {
    /// Takes the next piece, and adds to `out` what may be said by now.
    ///
    /// # Errors
    /// It may not be said.
    fn push(&mut self, piece: &str, out: &mut String) -> Result<(), Denied>;

    /// Adds to `out` what is left at the end.
    ///
    /// # Errors
    /// It may not be said.
    fn finish(&mut self, out: &mut String) -> Result<(), Denied>;
}

/// Screens a stream. Each part is a text of its own; arguments of tools are held until their choice has finished, as only
/// then they are JSON. Probabilities of tokens are left out, since they repeat the text.
#[derive(Debug)]
pub(crate) struct Screened {
    screen: Box<dyn Screen>,
    choices: Vec<Choice>,
}

#[derive(Debug)]
struct Choice {
    index: u32,
    /// The part that is being said.
    part: Option<(Kind, Box<dyn Window>)>,
    /// Arguments by index of their calls.
    calls: Vec<(u32, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Thinking,
}

impl Kind {
    fn event(self, choice: u32, text: String) -> Event<'static> {
        let text = Cow::Owned(text);
        match self {
            Self::Text => Event::Text {
                choice,
                text,
                logprobs: Vec::new(),
            },
            Self::Refusal => Event::Refusal { choice, text },
            Self::Thinking => Event::Thinking { choice, text },
        }
    }
}

impl Screened {
    pub(crate) fn new(screen: Box<dyn Screen>) -> Self {
        Self {
            screen,
            choices: Vec::new(),
        }
    }

    /// Takes an event, and gives to `sink` what may be written by now.
    pub(crate) fn pass(
        &mut self,
        event: Event<'_>,
        sink: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Denied> {
        match &event {
            Event::Text { choice, text, .. } => self.say(*choice, Kind::Text, text, sink),
            Event::Refusal { choice, text } => self.say(*choice, Kind::Refusal, text, sink),
            Event::Thinking { choice, text } => self.say(*choice, Kind::Thinking, text, sink),
            Event::Arguments {
                choice,
                index,
                json,
            } => self.choice(*choice).arguments(*index, json),
            Event::ToolCall { choice, .. }
            | Event::Signature { choice, .. }
            | Event::Image { choice, .. } => {
                self.choice(*choice).end_part(sink)?;
                sink(&event);
                Ok(())
            }
            Event::Finish { choice, .. } => {
                self.end_choice(*choice, sink)?;
                sink(&event);
                Ok(())
            }
            Event::Start { .. } | Event::Usage(_) | Event::Error(_) | Event::End => {
                sink(&event);
                Ok(())
            }
        }
    }

    /// The stream has ended: gives to `sink` what is left of choices that had no finish.
    pub(crate) fn end(&mut self, sink: &mut dyn FnMut(&Event<'_>)) -> Result<(), Denied> {
        let open: Vec<u32> = self.choices.iter().map(|choice| choice.index).collect();
        open.into_iter()
            .try_for_each(|choice| self.end_choice(choice, sink))
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let known = self.choices.iter().position(|it| it.index == index);
        let at = known.unwrap_or_else(|| {
            self.choices.push(Choice {
                index,
                part: None,
                calls: Vec::new(),
            });
            self.choices.len() - 1
        });
        &mut self.choices[at]
    }

    fn say(
        &mut self,
        choice: u32,
        kind: Kind,
        text: &str,
        sink: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Denied> {
        let is_open = |part: &(Kind, Box<dyn Window>)| part.0 == kind;
        if !self.choice(choice).part.as_ref().is_some_and(is_open) {
            self.choice(choice).end_part(sink)?;
            let window = self.screen.window();
            self.choice(choice).part = Some((kind, window));
        }
        let mut out = String::new();
        if let Some((_, window)) = &mut self.choice(choice).part {
            window.push(text, &mut out)?;
        }
        if !out.is_empty() {
            sink(&kind.event(choice, out));
        }
        Ok(())
    }

    fn end_choice(&mut self, index: u32, sink: &mut dyn FnMut(&Event<'_>)) -> Result<(), Denied> {
        let choice = self.choice(index);
        choice.end_part(sink)?;
        for (call, json) in mem::take(&mut choice.calls) {
            let mut see = |text: &str| self.screen.whole(text);
            let json = rewrite_arguments(&json, &mut see)?.unwrap_or(json);
            sink(&Event::Arguments {
                choice: index,
                index: call,
                json: Cow::Owned(json),
            });
        }
        Ok(())
    }
}

impl Choice {
    fn end_part(&mut self, sink: &mut dyn FnMut(&Event<'_>)) -> Result<(), Denied> {
        let Some((kind, mut window)) = self.part.take() else {
            return Ok(());
        };
        let mut out = String::new();
        window.finish(&mut out)?;
        if !out.is_empty() {
            sink(&kind.event(self.index, out));
        }
        Ok(())
    }

    fn arguments(&mut self, call: u32, json: &str) -> Result<(), Denied> {
        let held: usize = self.calls.iter().map(|(_, held)| held.len()).sum();
        if held + json.len() > MOST_ARGUMENTS {
            return Err(Denied("the size of a tool's arguments".into()));
        }
        match self.calls.iter_mut().find(|(index, _)| *index == call) {
            Some((_, held)) => held.push_str(json),
            None => self.calls.push((call, json.to_owned())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
