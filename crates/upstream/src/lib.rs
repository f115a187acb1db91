//! Pooled HTTP clients towards providers, with an address guard at connect time.
