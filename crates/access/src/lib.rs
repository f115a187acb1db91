//! Client keys: who may call, and which models.
