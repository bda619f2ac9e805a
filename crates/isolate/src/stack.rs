//! How much native stack this thread has.

/// The size of this thread's stack in bytes, and how much of it lies below the caller's frame. `None` when the platform does not say.
pub(crate) fn measure() -> Option<Stack> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: `pthread_getattr_np` initialises the attributes of the running thread when it returns 0, and only then are
    // they read and destroyed.
    let (address, size) = unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let mut attributes = attributes.assume_init();
        let mut address = std::ptr::null_mut();
        let mut size = 0;
        let got = libc::pthread_attr_getstack(&attributes, &mut address, &mut size);
        libc::pthread_attr_destroy(&mut attributes);
        if got != 0 {
            return None;
        }
        (address.addr(), size)
    };
    let here = std::ptr::from_ref(&address).addr();
    Some(Stack { size, remaining: here.saturating_sub(address) })
}

/// See [`measure`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stack {
    /// All of it.
    pub(crate) size: usize,
    /// What is left.
    pub(crate) remaining: usize,
}
