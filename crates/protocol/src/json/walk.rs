//! Walking objects and arrays of which few members matter.

use super::{Kind, Scanner, SyntaxError};

pub(crate) type Walk<T> = Result<T, SyntaxError>;

/// Gives each member of the object that comes next to `member`, which must take its value. Any other value is skipped;
/// answers whether it was an object.
pub(crate) fn object<'a>(
    scanner: &mut Scanner<'a>,
    mut member: impl FnMut(&str, &mut Scanner<'a>) -> Walk<()>,
) -> Walk<bool> {
    if scanner.peek()? != Kind::Object {
        scanner.value()?;
        return Ok(false);
    }
    let mut members = scanner.enter_object()?;
    while let Some(key) = scanner.next_member(&mut members)? {
        member(&key.as_str().unwrap_or_default(), scanner)?;
    }
    Ok(true)
}

/// Gives each element of the array that comes next to `element`, which must take it. Any other value is skipped; answers
/// how many elements there were, if it was an array.
pub(crate) fn array<'a>(
    scanner: &mut Scanner<'a>,
    mut element: impl FnMut(&mut Scanner<'a>) -> Walk<()>,
) -> Walk<Option<usize>> {
    if scanner.peek()? != Kind::Array {
        scanner.value()?;
        return Ok(None);
    }
    let mut elements = scanner.enter_array()?;
    let mut count = 0;
    while scanner.next_element(&mut elements)? {
        element(scanner)?;
        count += 1;
    }
    Ok(Some(count))
}

/// [`object`], of a whole text.
pub(crate) fn document<'a>(
    text: &'a [u8],
    member: impl FnMut(&str, &mut Scanner<'a>) -> Walk<()>,
) -> Walk<bool> {
    let mut scanner = Scanner::new(text)?;
    let is_object = object(&mut scanner, member)?;
    scanner.end()?;
    Ok(is_object)
}
