def loss_curves(r,p): pass
agreement_curves=delays=loss_curves
