//! Memory that is used again.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Things that are lent out and come back, so that what they have allocated is used again. It holds as
/// many as were out at one time. A clone starts empty.
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    /// Lends one out, new if need be. It is as its last user left it.
    pub fn take(&self) -> Loan<'_, T> {
        Loan { pool: self, value: Some(self.take_out()) }
    }

    /// The same for something that comes back by [`Pool::put_back`], or not at all.
    pub fn take_out(&self) -> T {
        self.all().pop().unwrap_or_default()
    }
}

impl<T> Pool<T> {
    pub fn put_back(&self, value: T) {
        self.all().push(value);
    }

    fn all(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

/// Something from a [`Pool`], which goes back when this is dropped.
pub(crate) struct Loan<'a, T> {
    pool: &'a Pool<T>,
    /// There until this is dropped.
    value: Option<T>,
}

const LENT: &str = "a loan holds its value until it is dropped";

impl<T> Deref for Loan<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value.as_ref().expect(LENT)
    }
}

impl<T> DerefMut for Loan<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect(LENT)
    }
}

impl<T> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        // What a panic left half-done is not used again.
        if !std::thread::panicking() {
            self.value.take().into_iter().for_each(|value| self.pool.put_back(value));
        }
    }
}

impl<T> fmt::Debug for Loan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loan")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_lent_out_again() {
        let pool = Pool::<Vec<u8>>::default();
        let (mut a, b) = (pool.take(), pool.take());
        a.push(1);
        drop(b);
        drop(a);
        assert_eq!(*pool.take(), [1]);
        assert!(pool.clone().take().is_empty());
        assert_eq!(pool.0.lock().unwrap().len(), 2);
    }

    #[test]
    fn what_a_panic_leaves_is_dropped() {
        let pool = Pool::<Vec<u8>>::default();
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.take().push(1);
            let mut loan = pool.take();
            loan.push(2);
            panic!("on purpose");
        }));
        assert!(panic.is_err());
        assert!(pool.take().is_empty());
    }
}
