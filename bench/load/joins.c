void sceneLate(int count, double rate, double seconds){}
void sceneJoins(double rate, double seconds){}
void sceneStalled(int count, double rate, double seconds){}
