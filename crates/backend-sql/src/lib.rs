//! anndex-backend-sql
