//! Octets of a handshake message, read from the front.

/// There is less than was announced, or something else.
#[derive(Debug)]
pub(super) struct Short;

#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Short> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Short> {
        let octets = self.take(2)?;
        Ok(u16::from_be_bytes([octets[0], octets[1]]))
    }

    pub(super) fn u24(&mut self) -> Result<usize, Short> {
        let octets = self.take(3)?;
        Ok(usize::from(octets[0]) << 16 | usize::from(octets[1]) << 8 | usize::from(octets[2]))
    }

    /// What stands behind its length of one octet.
    pub(super) fn after_u8(&mut self) -> Result<Self, Short> {
        let length = self.u8()?;
        self.take(length.into()).map(Self)
    }

    /// What stands behind its length of two octets.
    pub(super) fn after_u16(&mut self) -> Result<Self, Short> {
        let length = self.u16()?;
        self.take(length.into()).map(Self)
    }

    /// All that is left, two octets each.
    pub(super) fn u16s(mut self) -> Result<Vec<u16>, Short> {
        let mut numbers = Vec::with_capacity(self.0.len() / 2);
        while !self.0.is_empty() {
            numbers.push(self.u16()?);
        }
        Ok(numbers)
    }
}
