//! anndex-backend-sqlite
