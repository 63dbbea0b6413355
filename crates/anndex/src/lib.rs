//! anndex
