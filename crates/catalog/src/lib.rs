//! Configuration rows turned into an immutable snapshot that is swapped whole.
