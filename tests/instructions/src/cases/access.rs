//! Who may use it, and how much.

#[expect(
    clippy::unwrap_used,
    reason = "shared with a benchmark; a case that cannot go on should panic"
)]
#[path = "../../../../crates/budgets/benches/caller/mod.rs"]
mod caller;

use std::cell::RefCell;

use caller::Caller;

use crate::count;

/// Requests before the one that is counted: a second of them.
const BEFORE: usize = 10_000;

/// Its key is looked up, its limits and its budget are taken and settled.
pub(super) fn request() {
    let caller = RefCell::new(Caller::new(std::time::Instant::now()));
    let secret = Caller::secret();
    let one = || {
        let held = caller.borrow_mut().enter(&secret);
        caller.borrow().leave(held);
    };
    (0..BEFORE).for_each(|_| one());
    count(|| (), |()| one());
}
