#pragma once
#include <string>
#include <string_view>

#include "base/error.h"

namespace weir::seal {

/// The reference's cookies, MessagePack once unsealed (FC2-123), as lines of a Netscape file. Cookies that such a line cannot hold
/// are left out; unknown fields are skipped; a time that cannot be read makes a session cookie.
/// limits  nesting 16; errors  bad_input: not MessagePack of that shape
[[nodiscard]] Result<std::string> reference_jar_as_netscape(std::string_view packed);

}  // namespace weir::seal
