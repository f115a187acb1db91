//! Events that are screened before they are written.

use super::Translation;
use crate::{
    Malformed, Said, Step,
    canonical::{Event, Finish},
    texts::rewrite_arguments,
};

impl Translation {
    /// As [`Self::look`], of a stream that is screened.
    pub(super) fn look_screened(&mut self, data: &[u8]) -> Result<Step, Malformed> {
        let Self {
            reader,
            writer,
            out,
            progress,
            screened: Some(screened),
            is_overheard,
            ..
        } = self
        else {
            return Ok(Step::default());
        };
        let mut step = Step::default();
        let mut ended = false;
        let Step {
            content,
            error,
            denied,
            said,
            ..
        } = &mut step;
        let mut write = |event: &Event<'_>| {
            if *is_overheard {
                hear(event, said);
            }
            writer.write(event, out);
        };
        reader.read(data, &mut |event| match event {
            Event::Error(told) => *error = Some(told),
            Event::End => ended = true,
            event => {
                *content |= progress.note(&event);
                if denied.is_none() {
                    *denied = screened.pass(event, &mut write).err();
                }
            }
        })?;
        if let Some(broken) = progress.take_broken() {
            *error = Some(broken);
        }
        ended &= error.is_none();
        if ended && denied.is_none() {
            *denied = screened.end(&mut write).err();
        }
        if step.denied.is_some() {
            // What is written stays, for the error that follows it.
            return Ok(Step {
                denied: step.denied,
                ..Step::default()
            });
        }
        if ended {
            progress.done = true;
            writer.finish(out);
        }
        step.bytes = out.split().freeze();
        Ok(step)
    }
}

/// Adds what an event says.
fn hear(event: &Event<'_>, said: &mut Vec<Said>) {
    let mut add = |choice: u32, text: &str, is_line: bool| {
        match said.last_mut().filter(|last| last.choice == choice) {
            Some(last) => last.text.push_str(text),
            None => said.push(Said {
                choice,
                text: text.to_owned(),
            }),
        }
        if is_line && let Some(last) = said.last_mut() {
            last.text.push('\n');
        }
    };
    match event {
        Event::Text { choice, text, .. }
        | Event::Refusal { choice, text }
        | Event::Thinking { choice, text } => add(*choice, text, false),
        Event::Arguments { choice, json, .. } => {
            let heard = rewrite_arguments(json, &mut |text| {
                add(*choice, text, true);
                Ok::<_, std::convert::Infallible>(None)
            });
            debug_assert!(matches!(heard, Ok(None)), "nothing is rewritten");
        }
        Event::Finish {
            choice,
            reason: Finish::Refused(Some(why)),
        } => add(*choice, why, false),
        _ => {}
    }
}
