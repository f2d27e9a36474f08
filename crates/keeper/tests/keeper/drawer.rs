//! Where a test's keeper has its keys.

use std::{
    io,
    sync::{Arc, Mutex},
};

use keeper::{KeyFolder, Retiring, ServerKey};

type Act = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// In memory. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Drawer(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    old: Option<Retiring>,
    replaced: usize,
    before_replacing: Option<Act>,
}

impl Drawer {
    /// How long the old key is kept, if there is one.
    pub(crate) fn old(&self) -> Option<Retiring> {
        self.0.lock().unwrap().old
    }

    pub(crate) fn replaced(&self) -> usize {
        self.0.lock().unwrap().replaced
    }

    /// Just before the new key is in its place: the next time.
    pub(crate) fn before_replacing(&self, act: impl FnOnce() -> io::Result<()> + Send + 'static) {
        self.0.lock().unwrap().before_replacing = Some(Box::new(act));
    }
}

impl KeyFolder for Drawer {
    fn put_aside(&self, retiring: Retiring) -> io::Result<()> {
        self.0.lock().unwrap().old = Some(retiring);
        Ok(())
    }

    fn replace(&self, _: &ServerKey) -> io::Result<()> {
        let act = self.0.lock().unwrap().before_replacing.take();
        act.map_or(Ok(()), |act| act())?;
        self.0.lock().unwrap().replaced += 1;
        Ok(())
    }

    fn wipe_old(&self) -> io::Result<()> {
        self.0.lock().unwrap().old = None;
        Ok(())
    }
}
