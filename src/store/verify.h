#pragma once
#include "store/book.h"
#include "store/ledger.h"

namespace weir::store {

/// What the journal alone tells: counts, gaps, units that are neither there nor listed, units that are there twice.
void judge_book(const Book& book, Verdict& verdict);
/// verify(), blocking.
Verdict verify_blocking(FileSystem& fs, const Path& file);

}  // namespace weir::store
