//! Panics of libraries that decode what comes from outside: damaged bytes make some of them index
//! past an end, which is an error of the file then, and is said once, as one.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

thread_local! {
    /// How many calls of [`catch`] this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Does work of a decoder of others, which damaged bytes may make panic; `None` if they did. Nothing
/// is printed then.
///
/// Only what runs on this thread is caught quietly: a decoder that has threads of its own is caught
/// where they begin.
pub fn catch<T>(work: impl FnOnce() -> T) -> Option<T> {
    quieten();
    let _inside = Inside::enter();
    // What a panic leaves half done is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).ok()
}

struct Inside;

impl Inside {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Has panics inside of [`catch`] not printed; all others go on to the hook that was there.
fn quieten() {
    static ONCE: Once = Once::new();
    // A thread that panics can't set a hook; its own panic is printed as ever.
    if thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn only_panics_inside_are_quiet() {
        let printed = Arc::new(AtomicU32::new(0));
        let count = printed.clone();
        set_hook(Box::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        assert_eq!(catch(|| 1), Some(1));
        assert_eq!(catch(|| -> u32 { panic!("inside") }), None);
        assert_eq!(printed.load(Ordering::Relaxed), 0);
        assert!(catch_unwind(|| panic!("outside")).is_err());
        assert_eq!(printed.load(Ordering::Relaxed), 1);
    }
}
