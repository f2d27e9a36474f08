//! One connection to the server behind, which belongs to one request at a time. No
//! task of its own carries it: so a request that is cut off takes its connection
//! with it where it stands, whatever was still to come.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use front::Stream;
use http::{Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use protocols::http::{Rest, head};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::{
    alarm::Alarm,
    connection::AT_ONCE,
    pool::Pool,
    sent::{Sending, Step},
};

/// A connection, and what was heard on it and not taken yet.
pub(super) struct Line {
    stream: Stream,
    heard: BytesMut,
    alarm: Alarm,
    /// It is not the server that has been waited for since the alarm was set.
    has_moved: bool,
    /// The server has said something since it was asked.
    has_spoken: bool,
    /// The server may take nothing, and say nothing when it is its turn, for so long.
    patience: Duration,
}

/// Why a request has no answer, or an answer no end.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("{0}")]
    Broken(#[from] io::Error),
    #[error("it hung up")]
    HungUp,
    #[error("what it says is no HTTP/1.1")]
    NotHttp,
    #[error("the request broke off: {0}")]
    Request(#[source] super::steady::Broken),
    #[error("it did nothing for too long")]
    Late,
}

/// A request that has no answer.
pub(super) struct Unanswered {
    pub(super) error: LineError,
    pub(super) sending: Sending,
    /// The server had begun to answer.
    pub(super) has_spoken: bool,
}

impl Line {
    pub(super) fn new(stream: Stream, patience: Duration) -> Self {
        let (heard, alarm) = (BytesMut::new(), Alarm::default());
        Self { stream, heard, alarm, has_moved: true, has_spoken: false, patience }
    }

    /// True if it has nothing to say, and is open as far as is known: what it said
    /// now would be taken for the next answer.
    pub(super) fn is_at_rest(&mut self) -> bool {
        let mut room = [0; 1];
        let mut cx = Context::from_waker(Waker::noop());
        self.heard.is_empty()
            && Pin::new(&mut self.stream).poll_read(&mut cx, &mut ReadBuf::new(&mut room)).is_pending()
    }

    /// Carries a request over and reads the head of its answer. The rest of the
    /// request goes over with the rest of the answer.
    pub(super) async fn ask(
        mut self,
        mut sending: Sending,
        method: &Method,
        pool: &Pool,
    ) -> Result<Response<Answering>, Box<Unanswered>> {
        self.has_moved = true;
        self.has_spoken = false;
        let answered = poll_fn(|cx| {
            let sent = self.poll_send(&mut sending, cx);
            // Also when it takes no more: it may have said why.
            match self.poll_answer(method, cx) {
                Poll::Pending => {}
                answered => return answered,
            }
            if let Poll::Ready(Err(error)) = sent {
                return Poll::Ready(Err(error));
            }
            Poll::Pending
        });
        match answered.await {
            Ok(answered) => {
                let body = Answering::new(self, sending, answered.body, answered.goes_on, pool);
                Ok(answered.answer.map(|()| body))
            }
            Err(error) => Err(Box::new(Unanswered { error, sending, has_spoken: self.has_spoken })),
        }
    }

    /// Ready when all of it is sent, or when it cannot be.
    fn poll_send(&mut self, sending: &mut Sending, cx: &mut Context<'_>) -> Poll<Result<(), LineError>> {
        loop {
            match sending.step(cx) {
                Step::Done => break,
                Step::Awaits => {
                    self.has_moved = true;
                    return Poll::Pending;
                }
                Step::Broken(error) => return Poll::Ready(Err(LineError::Request(error))),
                Step::Write(octets) => match Pin::new(&mut self.stream).poll_write(cx, octets) {
                    Poll::Ready(count) => {
                        sending.was_taken(count?);
                        self.has_moved = true;
                    }
                    Poll::Pending => break,
                },
            }
        }
        // It is the server's turn: to take what there is, or to answer.
        if std::mem::take(&mut self.has_moved) {
            self.alarm.set(self.patience);
        }
        match self.alarm.poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(LineError::Late)),
            Poll::Pending if sending.is_done() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_answer(&mut self, method: &Method, cx: &mut Context<'_>) -> Poll<Result<head::Answered, LineError>> {
        loop {
            if !self.heard.is_empty()
                && let Some(answered) = head::answer(&mut self.heard, method).map_err(|_| LineError::NotHttp)?
            {
                let status = answered.answer.status();
                if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                    return Poll::Ready(Ok(answered));
                }
                continue;
            }
            let mut room = [const { std::mem::MaybeUninit::uninit() }; 4096];
            let mut room = ReadBuf::uninit(&mut room);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
            if room.filled().is_empty() {
                return Poll::Ready(Err(LineError::HungUp));
            }
            self.has_spoken = true;
            self.heard.extend_from_slice(room.filled());
        }
    }

    /// More of the body of an answer.
    fn poll_body(&mut self, rest: &mut Rest, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, LineError>> {
        loop {
            if let Some(data) = rest.take(&mut self.heard).map_err(|_| LineError::NotHttp)? {
                return Poll::Ready(Ok(Some(data)));
            }
            if rest.is_over() {
                return Poll::Ready(Ok(None));
            }
            self.heard.reserve(AT_ONCE);
            if ready!(pin!(self.stream.read_buf(&mut self.heard)).poll(cx))? == 0 {
                if *rest != Rest::UntilClosed {
                    return Poll::Ready(Err(LineError::HungUp));
                }
                *rest = Rest::Nothing;
            }
        }
    }
}

/// The body of an answer.
pub(super) struct Answering {
    rest: Rest,
    /// `None` once it is over, or has gone back.
    line: Option<Box<(Line, Sending)>>,
    goes_on: bool,
    pool: Pool,
}

impl Answering {
    fn new(line: Line, sending: Sending, rest: Rest, goes_on: bool, pool: &Pool) -> Self {
        let mut answering = Self { rest, line: Some(Box::new((line, sending))), goes_on, pool: pool.clone() };
        // Nobody would ask for any of it, and so notice its end.
        answering.end_if_over();
        answering
    }

    /// Gives the connection back, if it is good for another request.
    fn end_if_over(&mut self) {
        if self.rest.is_over()
            && let Some(line) = self.line.take()
            && self.goes_on
        {
            let (mut line, sending) = *line;
            if sending.is_done() && line.is_at_rest() {
                self.pool.keep(line);
            }
        }
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = LineError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, LineError>>> {
        let this = &mut *self;
        let Some(line) = &mut this.line else { return Poll::Ready(None) };
        let (line, sending) = &mut **line;
        if !sending.is_done()
            && let Poll::Ready(Err(error)) = line.poll_send(sending, cx)
        {
            this.line = None;
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match ready!(line.poll_body(&mut this.rest, cx)) {
            Ok(data) => data.map(|data| Ok(Frame::data(data))),
            Err(error) => {
                this.line = None;
                Some(Err(error))
            }
        };
        this.end_if_over();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
