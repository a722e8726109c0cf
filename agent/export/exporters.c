/* SPDX-License-Identifier: Apache-2.0 */
/* The table of exporters. Static data only. */
#include "export/exporter.h"

const struct exporter_row exporters[EXPORTER_CNT] = {
#define EXPORTER(id, name, help) [EXPORTER_##id] = { #name, help, &exporter_##name },
#include "export/exporters.def"
#undef EXPORTER
};
