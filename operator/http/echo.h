// A server for development that answers every request with what it received.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.h"

namespace meshauth::http {

/// address: ADDRESS:PORT. Answers in threads of its own, as JSON: {"from","method","path","headers"}; tokens and
/// cookies are not shown. listening is called once it does; returns when wait does. Errors: the address, and the
/// system's reason.
Status serve_echo(const std::string& address, const std::function<void()>& listening,
                  const std::function<void()>& wait);

}  // namespace meshauth::http
