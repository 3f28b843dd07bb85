"""What a model is fed with: order, augmentation, and which samples it is judged on."""
