#pragma once
#include <memory>

#include "conf/settings.h"
#include "mta/inbound/relay_policy.h"
#include "mta/smtp/server/server_session.h"

namespace mta::inbound {

// What one version of the settings means for SMTP sessions. Sessions keep the version that they
// began with.
struct SessionConfig {
    explicit SessionConfig(std::shared_ptr<const conf::Settings> from);

    std::shared_ptr<const conf::Settings> settings;
    smtp::ServerOptions options;
    RelayPolicy policy;
};

}  // namespace mta::inbound
