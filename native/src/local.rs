//! Tasks of an I/O thread hold what is not Send; the driver's runtime need not know.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets tasks of this thread hold what is not Send.
pub struct OnThisThread<F>(pub F);

// SAFETY: the runtime is of the current-thread kind, and it is created, run and dropped on this one thread.
unsafe impl<F> Send for OnThisThread<F> {}

impl<F: Future> Future for OnThisThread<F> {
    type Output = F::Output;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: structural pinning of the only field.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(context)
    }
}
