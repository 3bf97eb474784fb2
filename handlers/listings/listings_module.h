/* SPDX-License-Identifier: MIT
 *
 * listings_module.h - the listings as a module: their schema, routes and service.
 */
#ifndef TOQ_HANDLERS_LISTINGS_LISTINGS_MODULE_H
#define TOQ_HANDLERS_LISTINGS_LISTINGS_MODULE_H

#include "core/app/app_module.h"

extern const struct app_module listings_module;

#endif
