// The journal's reader: lines, whole files in pieces, and the book that is made of them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "media/tool.h"
#include "store/book.h"
#include "store/finalise.h"
#include "store/journal.h"
#include "store/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir::store;
    if (size < 1) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t step = 1 + data[0];

    // Each line of the input gets the checksum it needs, so that mutations reach what stands behind it.
    std::string sealed;
    for (std::string_view rest = input; !rest.empty();) {
        const auto end = rest.find('\n');
        const auto body = rest.substr(0, end);
        sealed += body;
        sealed += R"(,"c":")" + weir::hex16(weir::content_hash(std::as_bytes(std::span(body)))) + "\"}\n";
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    for (const auto text : {input, std::string_view(sealed)}) {
        Book book;
        journal::Scanner scanner([&](const journal::Line& line, std::uint64_t) {
            const auto again = journal::format(line);
            if (!journal::parse(std::string_view(again).substr(0, again.size() - 1)) &&
                again.size() <= journal::max_line)
                __builtin_trap();
            book.take(line);
        });
        for (std::size_t i = 0; i < text.size(); i += step) scanner.feed(text.substr(i, step));
        const auto outcome = scanner.finish();
        if (outcome.good_bytes > outcome.bytes) __builtin_trap();
        book.settle();
        Verdict verdict;
        judge_book(book, verdict);
        (void)verdict_json(verdict).size();
        (void)verdict_text(verdict).size();
        (void)stretches_of(book, "/d").size();
    }
    return 0;
}
