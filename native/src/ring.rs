//! A bounded queue between two threads, one of which pushes and one of which pops.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::tsan;

#[repr(align(64))]
struct Line(AtomicUsize);

/// Positions only grow; a position's place is its value modulo the capacity, a power of two.
/// `taken <= pushed <= taken + capacity` always holds.
pub struct Ring<T> {
    places: Box<[UnsafeCell<MaybeUninit<T>>]>,
    pushed: Line,
    taken: Line,
}

// SAFETY: `push` is called by one thread and `pop` by one thread (their contracts); a place is handed over by the
// release store of `pushed` (or back by that of `taken`) and the acquire load of the other side.
unsafe impl<T: Send> Send for Ring<T> {}
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    /// Holds at least `capacity_min` elements.
    pub fn new(capacity_min: usize) -> Self {
        let capacity = capacity_min.max(1).next_power_of_two();
        Ring {
            places: (0..capacity)
                .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
                .collect(),
            pushed: Line(AtomicUsize::new(0)),
            taken: Line(AtomicUsize::new(0)),
        }
    }

    /// Gives the element back when the ring is full.
    ///
    /// # Safety
    /// One thread at a time pushes.
    pub unsafe fn push(&self, element: T) -> Result<(), T> {
        let at = self.pushed.0.load(Ordering::Relaxed);
        if at.wrapping_sub(self.taken.0.load(Ordering::Acquire)) == self.places.len() {
            return Err(element);
        }
        (*self.places[at & (self.places.len() - 1)].get()).write(element);
        tsan::release(self);
        self.pushed.0.store(at.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// # Safety
    /// One thread at a time pops.
    pub unsafe fn pop(&self) -> Option<T> {
        let at = self.taken.0.load(Ordering::Relaxed);
        if at == self.pushed.0.load(Ordering::Acquire) {
            return None;
        }
        tsan::acquire(self);
        let element = (*self.places[at & (self.places.len() - 1)].get()).assume_init_read();
        self.taken.0.store(at.wrapping_add(1), Ordering::Release);
        Some(element)
    }

    pub fn is_empty(&self) -> bool {
        self.taken.0.load(Ordering::Acquire) == self.pushed.0.load(Ordering::Acquire)
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // SAFETY: no other thread holds the ring any more.
        while unsafe { self.pop() }.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;
    use std::sync::Arc;

    #[test]
    fn gives_elements_in_order_and_refuses_beyond_its_capacity() {
        let ring = Ring::new(3);
        unsafe {
            for round in 0..5 {
                for k in 0..4 {
                    assert_eq!(ring.push(round * 10 + k), Ok(()));
                }
                assert_eq!(ring.push(99), Err(99));
                for k in 0..4 {
                    assert_eq!(ring.pop(), Some(round * 10 + k));
                }
                assert_eq!(ring.pop(), None);
                assert!(ring.is_empty());
            }
        }
    }

    #[test]
    fn hands_every_element_over_once_between_two_threads() {
        const COUNT: u64 = 200_000;
        let ring = Arc::new(Ring::new(64));
        let pushing = Arc::clone(&ring);
        let producer = std::thread::spawn(move || {
            for k in 0..COUNT {
                while unsafe { pushing.push(Box::new(k)) }.is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < COUNT {
            match unsafe { ring.pop() } {
                Some(element) => {
                    assert_eq!(*element, expected);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        producer.join().unwrap();
        assert!(ring.is_empty());
    }

    #[test]
    fn drops_remaining_elements() {
        let element = Arc::new(());
        let ring = Ring::new(2);
        unsafe {
            ring.push(Arc::clone(&element)).unwrap();
            ring.push(Arc::clone(&element)).unwrap();
        }
        assert_eq!(Arc::strong_count(&element), 3);
        drop(ring);
        assert_eq!(Arc::strong_count(&element), 1);
    }
}
