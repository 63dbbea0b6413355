//! The drivers of storages at URLs that are compiled in.

use anndex_core::storage::StorageDrivers;

/// The drivers that this build opens storages at URLs with, which depends on its features. They
/// take credentials from the environment as it is now.
pub fn drivers() -> StorageDrivers {
    #[allow(unused_mut, reason = "there may be no driver")]
    let mut drivers = StorageDrivers::new();
    #[cfg(any(
        feature = "s3",
        feature = "gcs",
        feature = "azure",
        feature = "http",
        feature = "huggingface"
    ))]
    drivers.register(std::sync::Arc::new(
        anndex_remote_object_store::ObjectStoreDriver::new(),
    ));
    #[cfg(feature = "opendal")]
    drivers.register(std::sync::Arc::new(
        anndex_remote_opendal::OpendalDriver::new(),
    ));
    drivers
}
