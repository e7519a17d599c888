//! Long answers, made piece by piece: neither a long list nor a slow client takes memory.

use std::sync::Arc;

use axum::{BoxError, response::Response};
use futures_util::{Stream, stream};
use styx_core::log::{LogError, LogReader};

use crate::{
    http::{
        Call,
        moment::Moment,
        response::{ApiError, ok_raw, ok_stream},
    },
    views::Descriptions,
};

/// A piece ends with the entry that makes it this long, in bytes.
pub(super) const PIECE: usize = 64 * 1024;

/// JSON that is made while it is sent.
pub(super) trait Pieces: Send + 'static {
    /// The next piece, about [`PIECE`] bytes long.
    fn next_piece(&mut self, reader: &dyn LogReader, descriptions: &Descriptions<'_>) -> Result<String, LogError>;

    /// Whether the last piece was the last.
    fn has_ended(&self) -> bool;
}

/// 200 with all pieces, each read as the log was at this moment; what fits into one is sent whole.
pub(super) async fn answer(call: &Call, moment: Arc<Moment>, list: impl Pieces) -> Result<Response, ApiError> {
    let (first, list) = begin(call, &moment, list, PIECE).await?;
    Ok(if list.has_ended() { ok_raw(first) } else { go_on(call, moment, first, list) })
}

/// The first pieces, until they have so many bytes or the list has ended.
pub(super) async fn begin<P: Pieces>(
    call: &Call,
    moment: &Arc<Moment>,
    mut list: P,
    bytes: usize,
) -> Result<(String, P), ApiError> {
    let begin = move |moment: &Moment| {
        let mut first = String::new();
        while first.len() < bytes && !list.has_ended() {
            first += &list.next_piece(moment.reader(), &moment.descriptions())?;
        }
        Ok((first, list))
    };
    call.read_at(moment, begin).await
}

/// 200 with the first pieces and all that follow.
pub(super) fn go_on(call: &Call, moment: Arc<Moment>, first: String, list: impl Pieces) -> Response {
    ok_stream(pieces(call, moment, first, list))
}

fn pieces<P: Pieces>(
    call: &Call,
    moment: Arc<Moment>,
    first: String,
    list: P,
) -> impl Stream<Item = Result<String, BoxError>> + use<P> {
    let (app, operator) = (Arc::clone(&call.app), Arc::clone(&call.operator));
    stream::try_unfold((Some(first), list), move |(first, mut list)| {
        let (app, operator, moment) = (Arc::clone(&app), Arc::clone(&operator), Arc::clone(&moment));
        async move {
            if first.is_some() {
                return Ok(first.map(|piece| (piece, (None, list))));
            }
            if list.has_ended() {
                return Ok(None);
            }
            let request_id = &*operator.request_id;
            moment.check().inspect_err(|expired| tracing::warn!(request_id, "a list is cut: {expired}"))?;
            let read = move || (list.next_piece(moment.reader(), &moment.descriptions()), list);
            let (piece, list) = app.aside.read(read).await?;
            let piece = piece.inspect_err(|error| tracing::error!(request_id, "a list is cut: {error}"))?;
            Ok(Some((piece, (None, list))))
        }
    })
}
