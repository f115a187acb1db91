//! The lone initial migration, and the check of a live schema against it.
