//! What a client sends and gets, kept until its request has ended, where bodies are recorded.

use bytes::Bytes;
use protocol::{Endpoint, Listener};
use stats::{BodyRecord, RecordedResponse, RequestRecord};

/// The bodies of one request.
#[derive(Debug)]
pub(crate) struct Recording {
    request: Bytes,
    response: Response,
}

#[derive(Debug)]
enum Response {
    Whole(Bytes),
    /// Listens to a stream as it is told.
    Stream(Box<Listener>),
}

impl Recording {
    /// Of a request, whose stream would be heard up to `limit` bytes.
    pub(crate) fn new(request: Bytes, endpoint: Endpoint, as_array: bool, limit: usize) -> Self {
        let listener = Listener::new(endpoint, as_array, limit);
        Self {
            request,
            response: Response::Stream(Box::new(listener)),
        }
    }

    /// What is sent in the place of the request.
    pub(crate) fn request(&mut self, body: &Bytes) {
        self.request = body.clone();
    }

    /// The client gets all of this.
    pub(crate) fn whole(&mut self, body: &Bytes) {
        self.response = Response::Whole(body.clone());
    }

    /// The client gets more of a stream.
    pub(crate) fn told(&mut self, bytes: &Bytes) {
        if let Response::Stream(listener) = &mut self.response {
            listener.push(bytes);
        }
    }

    /// The request has ended.
    pub(crate) fn end(self, record: &RequestRecord) -> BodyRecord {
        let response = match self.response {
            Response::Whole(body) => Some(RecordedResponse::Body(body)),
            Response::Stream(listener) => Some(listener.heard())
                .filter(|heard| !heard.is_empty())
                .map(RecordedResponse::Said),
        };
        BodyRecord {
            request_id: record.request_id,
            arrived_at: record.arrived_at,
            request: self.request,
            response,
        }
    }
}
