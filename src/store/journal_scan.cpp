#include <fmt/format.h>

#include <utility>

#include "store/journal.h"

namespace weir::store::journal {
namespace {

/// Lines before which everything had been synced.
bool proves_the_past(const Line& line) {
    return std::holds_alternative<EndLine>(line) || std::holds_alternative<Final>(line) ||
           std::holds_alternative<Raw>(line);
}

}  // namespace

void Scanner::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const auto piece = bytes.substr(0, end);
        if (rest_.size() + piece.size() > max_line && !skipping_) {
            bad(fmt::format("line above {} bytes", max_line));
            skipping_ = true;
            rest_.clear();
        }
        if (end == std::string_view::npos) {
            if (!skipping_) rest_ += piece;
            at_ += piece.size();
            break;
        }
        if (skipping_) {
            skipping_ = false;
        } else if (rest_.empty()) {
            line(piece, true);
        } else {
            rest_ += piece;
            const auto text = std::exchange(rest_, {});
            at_ -= text.size() - piece.size();
            line(text, true);
            at_ += text.size() - piece.size();
        }
        at_ += piece.size() + 1;
        bytes.remove_prefix(end + 1);
    }
}

void Scanner::bad(std::string why) {
    if (is_bad_) return;
    is_bad_ = true;
    bad_line_ = out_.lines + 1;
    out_.cut_why = fmt::format("line {}: {}", bad_line_, why);
}

void Scanner::line(std::string_view text, bool complete) {
    auto parsed = complete ? parse(text) : Result<Line>(Error{Errc::bad_input, "line without its end"});
    if (!parsed) {
        if (parsed.error().code == Errc::unsupported && !out_.damage) out_.damage = parsed.error();
        return bad(parsed.error().text());
    }
    if (!is_bad_) {
        if (out_.lines == 0 && !std::holds_alternative<Open>(*parsed)) {
            out_.damage = Error{Errc::bad_input, "the first line is not 'open'"};
            return bad("the first line is not 'open'");
        }
        ++out_.lines;
        out_.good_bytes = at_ + text.size() + 1;
        take_(*parsed, at_);
        return;
    }
    if (proves_the_past(*parsed)) proof_ = true;
    if (const auto* s = std::get_if<Sync>(&*parsed)) {
        if (round_after_bad_ && *round_after_bad_ != s->r) proof_ = true;
        round_after_bad_ = s->r;
    }
}

Scanner::Outcome Scanner::finish() {
    if (!rest_.empty()) {
        at_ -= rest_.size();
        line(rest_, false);
        at_ += rest_.size();
    }
    out_.bytes = at_;
    if (is_bad_ && proof_ && !out_.damage)
        out_.damage = Error{Errc::bad_input,
                            fmt::format("{}, and lines after it prove that it had once been whole", out_.cut_why)};
    if (out_.lines == 0 && !out_.damage) out_.damage = Error{Errc::bad_input, "no 'open' line"};
    return std::move(out_);
}

}  // namespace weir::store::journal
