//! One request, from accept to record: plan, attempt, relay.
