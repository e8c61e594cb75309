//! Room for build Pods: at most so many may be unfinished.

use std::sync::{Arc, Mutex, PoisonError};

use super::Cluster;

impl Cluster {
    /// Reserves a place for one Pod, or returns how many run if there is none. The caller keeps the
    /// place until the watch shows the Pod, because launches of this worker run concurrently. Workers
    /// do not see each other's places: if `n` workers launch at once, there may be `n - 1` Pods too many.
    pub fn room(&self, limit: usize) -> Result<Room, usize> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // A Pod that the watch shows already may count twice for a moment, which is the safe side.
        let running = self.unfinished() + *taken;
        if running >= limit {
            return Err(running);
        }
        *taken += 1;
        Ok(Room(self.taken.clone()))
    }
}

/// A reserved place for a Pod. Dropping it frees the place.
pub struct Room(Arc<Mutex<usize>>);

impl Drop for Room {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}
