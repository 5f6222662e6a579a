#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>

#include "base/text.h"
#include "faces/cli/commands.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/session.h"
#include "proto/gotemplate/json.h"
#include "proto/gotemplate/template.h"

namespace weir::faces {
namespace {

constexpr std::size_t max_data_bytes = 16 << 20;

Result<std::string> read_all(std::istream& in, const std::string& name) {
    std::string text;
    char buffer[65536];
    while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
        text.append(buffer, static_cast<std::size_t>(in.gcount()));
        if (text.size() > max_data_bytes)
            return Error{.code = Errc::bad_input, .what = fmt::format("{}: more than {} bytes", name, max_data_bytes)};
    }
    if (in.bad()) return Error{.code = Errc::io, .what = name + ": cannot be read"};
    return text;
}

Result<std::string> read_data(const std::string& name) {
    if (name == "-") return read_all(std::cin, "standard input");
    errno = 0;
    std::ifstream in(name, std::ios::binary);
    if (!in) return from_errno(errno == 0 ? EIO : errno, name);
    return read_all(in, name);
}

Result<gotemplate::Value> load(const std::string& name) {
    if (name.empty()) return gotemplate::Value();
    auto text = read_data(name);
    if (!text) return text.error();
    auto value = gotemplate::value_from_json(*text);
    if (!value) return within(name, value.error());
    return value;
}

int complain_in_one_line(const Error& error) {
    std::string line;
    append_printable(line, error.text());
    return complain(line, exit_failed);
}

}  // namespace

int run_template(const TemplateArguments& arguments) {
    const auto parsed = gotemplate::Template::parse(arguments.name, arguments.text);
    if (!parsed) return complain_in_one_line(parsed.error());
    const auto data = load(arguments.data);
    if (!data) return complain_in_one_line(data.error());
    const auto text = parsed->execute(*data);
    if (!text) return complain_in_one_line(text.error());
    std::fwrite(text->data(), 1, text->size(), stdout);
    // Into a file or a pipe the result goes as it is.
    if (::isatty(STDOUT_FILENO) == 1) std::fputc('\n', stdout);
    if (std::fflush(stdout) != 0) return complain("standard output: cannot be written", exit_failed);
    return exit_ok;
}

}  // namespace weir::faces
