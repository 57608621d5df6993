"""Every kind of synthetic drift against every detector: delay, false alarms, loss, and the partition beside the true one."""
