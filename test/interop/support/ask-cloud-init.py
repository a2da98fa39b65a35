"""What the installed cloud-init makes of things: JSON in, JSON out."""
import io
import json
import os
import sys
import tempfile

given = json.load(sys.stdin)
if "cmdline" in given:
    os.environ["DEBUG_PROC_CMDLINE"] = given["cmdline"]

from cloudinit import helpers, user_data  # noqa: E402
from cloudinit.config.schema import get_schema, validate_cloudconfig_file  # noqa: E402
from cloudinit.net.network_state import parse_net_config_data  # noqa: E402
from cloudinit.sources.DataSourceNoCloud import DataSourceNoCloudNet  # noqa: E402

folder = tempfile.mkdtemp()
paths = helpers.Paths({"cloud_dir": folder, "run_dir": folder})


def is_sound(text):
    name = os.path.join(folder, "config")
    with open(name, "w") as file:
        file.write(text)
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        validate_cloudconfig_file(name, get_schema())
        return True
    except BaseException:  # SchemaValidationError, RuntimeError, what YAML throws
        return False
    finally:
        sys.stdout = out


def types_of(raw):
    message = user_data.UserDataProcessor(paths).process(raw)
    return [part.get_content_type() for part in message.walk() if part.get_content_maintype() != "multipart"]


def fetch():
    # Without looking for volumes of this host.
    config = {"datasource": {"NoCloud": {"fs_label": None}}}
    source = DataSourceNoCloudNet(config, None, paths)
    found = source._get_data()
    network = source.network_config
    return {
        "found": found,
        "dsmode": source.dsmode,
        "metaData": source.metadata,
        "userData": (source.userdata_raw or b"").decode(),
        "vendorData": (source.vendordata_raw or b"").decode(),
        "network": network,
    }


print(
    json.dumps(
        {
            "sound": [is_sound(text) for text in given.get("configs", [])],
            "types": [types_of(text) for text in given.get("userData", [])],
            "networks": [parse_net_config_data(one) is not None for one in given.get("networks", [])],
            "fetched": fetch() if "cmdline" in given else None,
        }
    )
)
