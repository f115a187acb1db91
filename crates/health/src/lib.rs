//! Health states, breakers and cooldowns of providers and their models.
