//! Tells ThreadSanitizer, when the program is built with it, about hand-overs between threads: this archive is not
//! instrumented, so it cannot see the atomics that order them.

use std::ffi::{c_char, c_void};
use std::sync::OnceLock;

type Annotation = unsafe extern "C" fn(*const c_void);

#[derive(Clone, Copy)]
struct Annotations {
    acquire: Option<Annotation>,
    release: Option<Annotation>,
}

fn annotations() -> Annotations {
    static FOUND: OnceLock<Annotations> = OnceLock::new();
    *FOUND.get_or_init(|| Annotations {
        acquire: find(c"__tsan_acquire".as_ptr()),
        release: find(c"__tsan_release".as_ptr()),
    })
}

fn find(name: *const c_char) -> Option<Annotation> {
    // SAFETY: the runtime of ThreadSanitizer defines both names with this signature; without it there is no symbol.
    unsafe {
        let symbol = libc::dlsym(libc::RTLD_DEFAULT, name);
        std::mem::transmute::<*mut c_void, Option<Annotation>>(symbol)
    }
}

/// What this thread did so far happened before what comes after `acquire` of the same object.
pub fn release<T>(object: &T) {
    if let Some(annotate) = annotations().release {
        unsafe { annotate(std::ptr::from_ref(object).cast()) }
    }
}

pub fn acquire<T>(object: &T) {
    if let Some(annotate) = annotations().acquire {
        unsafe { annotate(std::ptr::from_ref(object).cast()) }
    }
}
