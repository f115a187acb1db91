//! What is news, and what was told already.

use std::time::{Duration, Instant};

/// Least time between two alerts about the same thing.
const QUIET: Duration = Duration::from_secs(10);

/// Something that can be one way or another, and which way it was last told to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct News<T> {
    told: T,
    told_at: Option<Instant>,
}

impl<T: Copy + PartialEq> News<T> {
    /// Something that needs not be told to be `told`.
    pub(super) fn new(told: T) -> Self {
        Self {
            told,
            told_at: None,
        }
    }

    /// What it was last told to be, if it is other than that now and it is time to say so.
    pub(super) fn of(&mut self, now_is: T, now: Instant) -> Option<T> {
        let is_quiet = self
            .told_at
            .is_none_or(|at| now.saturating_duration_since(at) >= QUIET);
        if now_is == self.told || !is_quiet {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::replace(&mut self.told, now_is))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_to_and_fro_is_told_seldom_and_only_if_it_is_other() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut news = News::new(false);
        assert_eq!(news.of(false, at(0)), None);
        assert_eq!(news.of(true, at(1)), Some(false));
        assert_eq!(news.of(false, at(2)), None, "too soon");
        assert_eq!(news.of(true, at(12)), None, "it was told to be that");
        assert_eq!(news.of(false, at(13)), Some(true));
    }

    #[test]
    fn what_is_counted_is_told_with_what_came_since() {
        let start = Instant::now();
        let mut news = News::new(0);
        assert_eq!(news.of(5, start), Some(0));
        assert_eq!(news.of(7, start + Duration::from_secs(1)), None);
        assert_eq!(news.of(9, start + QUIET), Some(5));
    }
}
