#!/bin/bash
# Become the gateway, the restore of a backup, or else the broker, as the official image does.
set -eu

if [ "${ZEEBE_STANDALONE_GATEWAY:-}" = true ]; then
    address=$(hostname -i)
    export ZEEBE_GATEWAY_NETWORK_HOST=${ZEEBE_GATEWAY_NETWORK_HOST:-0.0.0.0}
    export ZEEBE_GATEWAY_CLUSTER_HOST=${ZEEBE_GATEWAY_CLUSTER_HOST:-$address}
    exec "$ZB_HOME/bin/gateway"
fi
if [ "${ZEEBE_RESTORE:-}" = true ]; then
    exec "$ZB_HOME/bin/restore" "--backupId=$ZEEBE_RESTORE_FROM_BACKUP_ID"
fi
address=$(hostname -i)
export ZEEBE_BROKER_NETWORK_HOST=${ZEEBE_BROKER_NETWORK_HOST:-$address}
exec "$ZB_HOME/bin/broker"
