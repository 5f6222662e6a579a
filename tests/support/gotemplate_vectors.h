#pragma once
#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "proto/gotemplate/json.h"
#include "proto/gotemplate/template.h"

namespace weir::test {

struct VectorReport {
    int passed = 0;
    std::vector<std::string> failures;  ///< "id: expected … got …"
};

/// What a template made of its data, in the words of a vector file.
struct VectorOutcome {
    std::string output, parse_error, exec_error;

    bool operator==(const VectorOutcome&) const = default;
    [[nodiscard]] std::string text() const {
        return "output \"" + output + "\" parse_error \"" + parse_error + "\" exec_error \"" + exec_error + "\"";
    }
};

inline std::string vector_text(const boost::json::object& vector, std::string_view name) {
    const auto* v = vector.if_contains(name);
    return v != nullptr && v->is_string() ? std::string(v->as_string()) : std::string();
}

inline VectorOutcome run_vector(const boost::json::object& vector) {
    using namespace gotemplate;
    Options options;
    const std::string option = vector_text(vector, "option");
    if (option == "missingkey=error") options.missing_key = MissingKey::error;
    if (option == "missingkey=zero") options.missing_key = MissingKey::zero;
    const auto made = Template::parse(vector_text(vector, "name"), vector_text(vector, "template"), options);
    if (!made) return {.output = {}, .parse_error = made.error().what, .exec_error = {}};
    const auto data = typed_value(vector.at("data"));
    if (!data) return {.output = {}, .parse_error = "data: " + data.error().what, .exec_error = {}};
    auto result = made->run(*data);
    VectorOutcome outcome;
    outcome.output = valid_utf8(result.output);  // the files are JSON, which has no half characters
    if (result.error) outcome.exec_error = result.error->what;
    return outcome;
}

/// Runs every vector of a file (section 14 of the facts): output, class of the error and its text must be the same.
inline VectorReport run_vectors(const std::string& file) {
    VectorReport report;
    boost::json::parse_options options;
    options.max_depth = 200;
    boost::system::error_code ec;
    const auto all = boost::json::parse(file, ec, {}, options);
    const auto* vectors = !ec && all.is_object() ? all.as_object().if_contains("vectors") : nullptr;
    if (vectors == nullptr || !vectors->is_array()) {
        report.failures.emplace_back("no vector file");
        return report;
    }
    for (const auto& v : vectors->as_array()) {
        const auto& vector = v.as_object();
        const VectorOutcome wanted{.output = vector_text(vector, "output"),
                                   .parse_error = vector_text(vector, "parse_error"),
                                   .exec_error = vector_text(vector, "exec_error")};
        const auto got = run_vector(vector);
        if (got == wanted)
            ++report.passed;
        else
            report.failures.push_back(vector_text(vector, "id") + ": " + vector_text(vector, "template") +
                                      "\n  wanted " + wanted.text() + "\n  got    " + got.text());
    }
    return report;
}

}  // namespace weir::test
