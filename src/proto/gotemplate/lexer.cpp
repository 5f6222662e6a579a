#include "proto/gotemplate/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "proto/gotemplate/text.h"

namespace weir::gotemplate {
namespace {

constexpr std::string_view spaces = " \t\r\n";
constexpr std::string_view open = "{{", close = "}}", comment_open = "/*", comment_close = "*/";

bool is_space(char c) {
    return spaces.find(c) != spaces.npos;
}

constexpr std::array<std::pair<std::string_view, Tok>, 11> keywords{{{"block", Tok::block},
                                                                     {"break", Tok::break_},
                                                                     {"continue", Tok::continue_},
                                                                     {"define", Tok::define},
                                                                     {"else", Tok::else_},
                                                                     {"end", Tok::end},
                                                                     {"if", Tok::if_},
                                                                     {"nil", Tok::nil},
                                                                     {"range", Tok::range},
                                                                     {"template", Tok::call_template},
                                                                     {"with", Tok::with}}};

/// "U+003B ';'", as Go's %#U.
std::string rune_name(char32_t c) {
    std::string name = fmt::format("U+{:04X}", static_cast<unsigned>(c));
    if (!is_printable(c)) return name;
    name += " '";
    append_rune(name, c);
    return name += '\'';
}

class Lexer {
public:
    explicit Lexer(std::string_view text) : all_(text) {}

    LexResult run() {
        while (state_ != State::done) {
            if (state_ == State::text)
                text();
            else
                inside();
        }
        return std::move(result_);
    }

private:
    enum class State { text, action, done };

    std::string_view rest() const { return all_.substr(at_); }
    bool next_is(std::string_view word) const { return rest().starts_with(word); }
    char peek() const { return at_ < all_.size() ? all_[at_] : '\0'; }
    bool at_end() const { return at_ >= all_.size(); }

    /// What lies between `start_` and here becomes a token.
    void emit(Tok kind) {
        result_.tokens.push_back({kind, start_, all_.substr(start_, at_ - start_), line_});
        skip();
    }
    /// … or is left out.
    void skip() {
        const auto passed = all_.substr(start_, at_ - start_);
        line_ += static_cast<std::size_t>(std::count(passed.begin(), passed.end(), '\n'));
        start_ = at_;
    }
    void fail(std::string what) {
        result_.tokens.push_back({Tok::error, start_, {}, line_});
        result_.error = std::move(what);
        state_ = State::done;
    }

    void text() {
        const auto found = all_.find(open, at_);
        if (found == all_.npos) {
            at_ = all_.size();
            if (at_ > start_) emit(Tok::text);
            emit(Tok::eof);
            state_ = State::done;
            return;
        }
        const bool trim = trims_left(found + open.size());
        auto end = found;
        while (trim && end > start_ && is_space(all_[end - 1])) --end;
        at_ = end;
        if (at_ > start_) emit(Tok::text);
        at_ = found;
        skip();
        left_delim(trim);
    }

    bool trims_left(std::size_t after) const {
        return after + 1 < all_.size() && all_[after] == '-' && is_space(all_[after + 1]);
    }
    bool trims_right() const { return rest().size() >= 2 && is_space(rest()[0]) && rest()[1] == '-'; }
    /// At "}}" or " -}}"?
    bool at_right_delim(bool& trim) const {
        trim = trims_right() && rest().substr(2).starts_with(close);
        return trim || next_is(close);
    }

    void left_delim(bool trim) {
        const std::size_t marker = trim ? 2 : 0;
        at_ += open.size();
        if (rest().substr(marker).starts_with(comment_open)) {
            at_ += marker;
            skip();
            return comment();
        }
        emit(Tok::left_delim);
        at_ += marker;
        skip();
        depth_ = 0;
        state_ = State::action;
    }

    void comment() {
        const auto end = all_.find(comment_close, at_ + comment_open.size());
        if (end == all_.npos) return fail("unclosed comment");
        at_ = end + comment_close.size();
        bool trim = false;
        if (!at_right_delim(trim)) return fail("comment ends before closing delimiter");
        after_right_delim(trim);
        skip();
    }

    void after_right_delim(bool trim) {
        at_ += (trim ? 2 : 0) + close.size();
        while (trim && !at_end() && is_space(peek())) ++at_;
    }

    void right_delim(bool trim) {
        if (trim) {
            at_ += 2;
            skip();
        }
        at_ += close.size();
        emit(Tok::right_delim);
        while (trim && !at_end() && is_space(peek())) ++at_;
        skip();
        state_ = State::text;
    }

    void inside() {
        bool trim = false;
        if (at_right_delim(trim)) return depth_ == 0 ? right_delim(trim) : fail("unclosed left paren");
        if (at_end()) return fail("unclosed action");
        const char c = peek();
        if (is_space(c)) return space();
        if (c == '"') return quote();
        if (c == '`') return raw_quote();
        if (c == '\'') return character();
        if (c == '.' && (at_ + 1 < all_.size()) && (all_[at_ + 1] < '0' || all_[at_ + 1] > '9'))
            return field_or_variable(Tok::field);
        if (c == '$') return field_or_variable(Tok::variable);
        if (c == '.' || c == '+' || c == '-' || (c >= '0' && c <= '9')) return number();
        punctuation_or_word(c);
    }

    void punctuation_or_word(char c) {
        const auto rune = first_rune(rest());
        if (rune.valid && is_word(rune.point)) return identifier();
        at_ += rune.bytes;
        switch (c) {
            case '=':
                return emit(Tok::assign);
            case ':':
                if (peek() != '=') return fail("expected :=");
                ++at_;
                return emit(Tok::declare);
            case '|':
                return emit(Tok::pipe);
            case '(':
                ++depth_;
                return emit(Tok::left_paren);
            case ')':
                if (depth_ == 0) return fail("unexpected right paren");
                --depth_;
                return emit(Tok::right_paren);
            default:
                if (rune.valid && rune.point < 0x7F && rune.point > 0x20) return emit(Tok::other);
                return fail("unrecognized character in action: " + rune_name(rune.point));
        }
    }

    void space() {
        std::size_t count = 0;
        for (; !at_end() && is_space(peek()); ++count) ++at_;
        --at_;  // the last one may belong to " -}}"
        bool trim = false;
        (void)at_right_delim(trim);
        if (trim && count == 1) return right_delim(true);
        if (!trim) ++at_;
        emit(Tok::space);
    }

    /// Runs to the closing `end` on this line; false when there is none.
    bool to_quote(char end) {
        for (++at_; !at_end(); ++at_) {
            if (peek() == end) return ++at_, true;
            if (peek() == '\\') ++at_;
            if (at_end() || peek() == '\n') return false;
        }
        return false;
    }
    void quote() { to_quote('"') ? emit(Tok::string) : fail("unterminated quoted string"); }
    void character() { to_quote('\'') ? emit(Tok::character) : fail("unterminated character constant"); }
    void raw_quote() {
        const auto end = all_.find('`', at_ + 1);
        if (end == all_.npos) return fail("unterminated raw quoted string");
        at_ = end + 1;
        emit(Tok::raw_string);
    }

    bool at_terminator() const {
        return at_end() || is_space(peek()) || std::string_view(".,|:)(").find(peek()) != std::string_view::npos ||
               next_is(close);
    }
    void skip_word() {
        for (auto rune = first_rune(rest()); rune.valid && is_word(rune.point); rune = first_rune(rest()))
            at_ += rune.bytes;
    }
    void fail_bad_character() { fail("bad character " + rune_name(first_rune(rest()).point)); }

    void field_or_variable(Tok kind) {
        ++at_;
        if (at_terminator()) return emit(kind == Tok::variable ? Tok::variable : Tok::dot);
        skip_word();
        at_terminator() ? emit(kind) : fail_bad_character();
    }

    void identifier() {
        skip_word();
        const auto word = all_.substr(start_, at_ - start_);
        if (!at_terminator()) return fail_bad_character();
        for (const auto& [name, kind] : keywords)
            if (name == word) return emit(kind);
        emit(word == "true" || word == "false" ? Tok::boolean : Tok::identifier);
    }

    bool accept(std::string_view any_of) {
        if (at_end() || any_of.find(peek()) == any_of.npos) return false;
        ++at_;
        return true;
    }
    void accept_run(std::string_view any_of) {
        while (accept(any_of)) {
        }
    }
    bool scan_number() {
        enum class Base { decimal, hexadecimal, other } base = Base::decimal;
        constexpr std::string_view decimal = "0123456789_";
        std::string_view digits = decimal;
        accept("+-");
        if (accept("0")) {
            if (accept("xX"))
                base = Base::hexadecimal, digits = "0123456789abcdefABCDEF_";
            else if (accept("oO"))
                base = Base::other, digits = "01234567_";
            else if (accept("bB"))
                base = Base::other, digits = "01_";
        }
        accept_run(digits);
        if (accept(".")) accept_run(digits);
        if ((base == Base::decimal && accept("eE")) || (base == Base::hexadecimal && accept("pP"))) {
            accept("+-");
            accept_run(decimal);
        }
        accept("i");
        const auto rune = first_rune(rest());
        if (!rune.valid || !is_word(rune.point)) return true;
        at_ += rune.bytes;
        return false;
    }
    void number() {
        bool good = scan_number();
        const bool complex = good && (peek() == '+' || peek() == '-') && !at_end();
        if (complex) good = scan_number() && all_[at_ - 1] == 'i';
        if (!good) return fail("bad number syntax: " + quoted(all_.substr(start_, at_ - start_)));
        emit(complex ? Tok::complex : Tok::number);
    }

    std::string_view all_;
    LexResult result_;
    State state_ = State::text;
    std::size_t start_ = 0, at_ = 0, line_ = 1, depth_ = 0;
};

}  // namespace

LexResult lex(std::string_view text) {
    return Lexer(text).run();
}

}  // namespace weir::gotemplate
